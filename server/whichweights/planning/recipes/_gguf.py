"""GGUF: convert the checkpoint to 16 bits, measure importance where wanted, quantize."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from whichweights.planning.formats import DecodedTag
from whichweights.planning.recipes._shapes import Check, Material, Recipe, Step
from whichweights.planning.recipes._tools import HUB, LLAMA_CPP

__all__ = ["download", "from_checkpoint", "gguf_recipe"]

_FLOATS: Final = {"F32": "f32", "F16": "f16", "BF16": "bf16"}
_SOURCE: Final = "source"
_SIXTEEN: Final = "bf16.gguf"
_CALIBRATION: Final = "plain text of the kind and languages you use, as calibration.txt"
_LOGITS: Final = "11 to 37 GiB"
"""llama.cpp tools/perplexity/README.md: 11 GiB for Llama 2's 32,000, 37 for Llama 3's 128,000."""
_TEXT: Final = "sh scripts/get-wikitext-2.sh"
"""In the folder of llama.cpp; it unpacks wikitext-2-raw/."""
_ONE_TENSOR: Final = "8 bytes for each element of the largest tensor, held one at a time"
_WHOLE: Final = "the 16-bit file, mapped"


def download(material: Material) -> Step:
    """Fetch the maker's checkpoint into the folder "source"."""
    command = f"hf download {material.model} --local-dir {_SOURCE}"
    return Step(command, _SOURCE, HUB, material.source_bytes, None, False)


def gguf_recipe(material: Material, decoded: DecodedTag) -> Recipe:
    """The steps to one GGUF file; a plain-float or maker's own format needs the conversion only."""
    result = f"model-{material.format}.gguf"
    floats = _FLOATS.get(material.format)
    if floats is not None or material.native:
        steps = [download(material), _convert(material, floats or "auto", result)]
    else:
        steps = [download(material), *_quantize(material, decoded, result)]
    if material.has_vision:
        steps.append(_projector(material))
    wants = material.imatrix and floats is None and not material.native
    return Recipe(
        tuple(steps),
        tuple(_checks(material, result, quantized=floats is None and not material.native)),
        calibration=_CALIBRATION if wants else "",
    )


def from_checkpoint(material: Material, recipe: Recipe, folder: str) -> Recipe:
    """A GGUF file of a format that llama-quantize cannot make, from a checkpoint in it."""
    result = f"model-{material.format}.gguf"
    command = f"python convert_hf_to_gguf.py {folder} --outtype auto --outfile {result}"
    convert = _by_tensor(command, result, material.file_bytes, material)
    return replace(
        recipe,
        steps=(*recipe.steps, convert),
        checks=(*recipe.checks, *_checks(material, result, quantized=False)),
    )


def _convert(material: Material, outtype: str, outfile: str) -> Step:
    command = f"python convert_hf_to_gguf.py {_SOURCE} --outtype {outtype}"
    size = material.file_bytes if material.native else material.sixteen_bytes
    return _by_tensor(f"{command} --outfile {outfile}", outfile, size, material)


def _by_tensor(command: str, makes: str, disk_bytes: int, material: Material) -> Step:
    """A step of llama.cpp that holds one tensor at a time (the converter unless --no-lazy)."""
    ram = material.largest_bytes
    return Step(command, makes, LLAMA_CPP, disk_bytes, ram, False, _ONE_TENSOR)


def _quantize(material: Material, decoded: DecodedTag, result: str) -> Iterator[Step]:
    yield _convert(material, "bf16", _SIXTEEN)
    options = ""
    if material.imatrix:
        matrix = "imatrix.gguf"
        command = f"llama-imatrix -m {_SIXTEEN} -f calibration.txt -o {matrix} -ngl 99"
        ram = material.sixteen_bytes
        yield Step(command, matrix, LLAMA_CPP, None, ram, False, _WHOLE)
        options = f"--imatrix {matrix} "
    ends = decoded.embedding_and_output
    if ends is not None:
        kind = ends.lower()
        options += f"--output-tensor-type {kind} --token-embedding-type {kind} "
    # Outside GGUF MXFP4 is a layout; llama-quantize calls the mixture of a model MXFP4_MOE.
    kind = decoded.base_file_type or "MXFP4_MOE"
    command = f"llama-quantize {options}{_SIXTEEN} {result} {kind}"
    yield _by_tensor(command, result, material.file_bytes, material)


def _projector(material: Material) -> Step:
    outfile = "mmproj.gguf"
    command = f"python convert_hf_to_gguf.py {_SOURCE} --mmproj --outfile {outfile}"
    return Step(command, "the vision projector", LLAMA_CPP, None, None, False)


def _checks(material: Material, result: str, *, quantized: bool) -> Iterator[Check]:
    yield Check(f"ls -l {result}", f"about {material.file_bytes:,} bytes")
    if not quantized:
        return
    yield Check(_TEXT, "the text")
    base = f"llama-perplexity -m {_SIXTEEN} -f wikitext-2-raw/wiki.test.raw"
    yield Check(f"{base} --kl-divergence-base base.kld", _LOGITS)
    compare = f"llama-perplexity -m {result} --kl-divergence-base base.kld --kl-divergence"
    yield Check(compare, "mean KLD")
