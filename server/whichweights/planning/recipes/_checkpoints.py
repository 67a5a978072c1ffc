"""Formats of safetensors checkpoints: llm-compressor, GPTQModel, AutoRound, and at load."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from whichweights.planning.formats import Spread, WeightLayout
from whichweights.planning.recipes._shapes import Check, Material, Recipe, Step, Tool
from whichweights.planning.recipes._tools import (
    AUTO_ROUND,
    BITSANDBYTES,
    GPTQMODEL,
    LLM_COMPRESSOR,
    LM_EVAL,
    VLLM,
)

__all__ = ["checkpoint_recipe"]


class _Scheme(NamedTuple):
    """A scheme of llm-compressor, and the modifiers in front of QuantizationModifier."""

    scheme: str
    modifier: str
    calibrated: bool
    note: str = ""


_PLAIN, _GPTQ, _AWQ = "QuantizationModifier", "GPTQModifier", "AWQModifier"
_FP8_NOTE = "one scale per output channel, activations scaled at run time: nothing to calibrate"

_SCHEMES: Final[dict[str, _Scheme]] = {
    "FP8": _Scheme("FP8_DYNAMIC", _PLAIN, False, _FP8_NOTE),
    "FP8-dynamic": _Scheme("FP8_DYNAMIC", _PLAIN, False),
    "FP8-block": _Scheme("FP8_BLOCK", _PLAIN, False),
    "NVFP4": _Scheme("NVFP4", _PLAIN, True),
    "MXFP4": _Scheme("MXFP4", _PLAIN, False),
    "MXFP8": _Scheme("MXFP8", _PLAIN, False),
    "W4A16": _Scheme("W4A16", _GPTQ, True),
    "W8A16": _Scheme("W8A16", _PLAIN, False),
    "W8A8-INT8": _Scheme("W8A8", _GPTQ, True),
    "AWQ-Int4": _Scheme("W4A16_ASYM", _AWQ, True),
}
"""compressed-tensors writes groups of 128 for the W4A16 schemes."""

_SAMPLES: Final = 256
_CALIBRATION: Final = (
    f"{_SAMPLES} samples of 2,048 tokens; open_platypus is English: take text of your languages"
)
_LAYER_AT_A_TIME: Final = "one layer at a time on the GPU, the 16-bit model in system memory"
_WHOLE: Final = "the 16-bit model, loaded whole (llm-compressor memory guide)"
_MAPPED: Final = "at most: the files are mapped and their tensors moved one by one"


def checkpoint_recipe(material: Material, layout: WeightLayout) -> Recipe | None:
    """The steps to a checkpoint in this layout; None where no tool is known for it."""
    scheme = _SCHEMES.get(layout.name)
    if scheme is not None:
        return _llm_compressor(material, scheme)
    maker = _BY_ECOSYSTEM.get(layout.ecosystem)
    return None if maker is None else maker(material, layout)


def _script(*lines: str) -> str:
    body = "\n".join(lines)
    return f"python - <<'EOF'\n{body}\nEOF"


def _made(material: Material, tool: Tool, command: str, result: str, *, gpu: bool | None) -> Step:
    """The tools load the 16-bit model and write the result (llm-compressor memory guide)."""
    disk = material.source_bytes + material.file_bytes
    return Step(command, result, tool, disk, material.sixteen_bytes, gpu, _WHOLE)


def _checks(material: Material, result: str) -> tuple[Check, ...]:
    size = f"about {material.file_bytes:,} bytes"
    if material.has_vision:
        size = f"about {material.file_bytes:,} bytes without the vision tower"
    evaluate = "lm_eval --model vllm --tasks wikitext --batch_size auto --model_args pretrained="
    return (
        Check(f"du -sb {result}", size),
        Check(
            f"{evaluate}{result}",
            f"the same with pretrained={material.model}, then compare",
            LM_EVAL,
        ),
    )


def _llm_compressor(material: Material, scheme: _Scheme) -> Recipe:
    result = f"{material.name}-{scheme.scheme}"
    lines = ["from llmcompressor import oneshot"]
    quantizer = f'{_PLAIN}(targets="Linear", scheme="{scheme.scheme}", ignore=["lm_head"])'
    if scheme.modifier == _GPTQ:
        lines.append("from llmcompressor.modifiers.gptq import GPTQModifier")
        quantizer = quantizer.replace(_PLAIN, _GPTQ)
    else:
        lines.append("from llmcompressor.modifiers.quantization import QuantizationModifier")
    if scheme.modifier == _AWQ:
        lines.append("from llmcompressor.modifiers.transform.awq import AWQModifier")
        quantizer = f"AWQModifier(), {quantizer}"
    given = [f'model="{material.model}"', f"recipe=[{quantizer}]", f'output_dir="{result}"']
    if scheme.calibrated:
        given.append('dataset="open_platypus"')
        given.append(f"num_calibration_samples={_SAMPLES}, max_seq_length=2048")
    command = _script(*lines, f"oneshot({', '.join(given)})")
    gpu = True if scheme.calibrated else None
    return Recipe(
        (_made(material, LLM_COMPRESSOR, command, result, gpu=gpu),),
        _checks(material, result),
        calibration=_CALIBRATION if scheme.calibrated else "",
        note=scheme.note or (_LAYER_AT_A_TIME if scheme.calibrated else ""),
    )


def _gptq(material: Material, layout: WeightLayout) -> Recipe:
    bits, group = int(layout.bits), _group(layout)
    result = f"{material.name}-{layout.name}"
    command = _script(
        "from datasets import load_dataset",
        "from gptqmodel import GPTQConfig, GPTQModel",
        'rows = load_dataset("allenai/c4", data_files="en/c4-train.00001-of-01024.json.gz", '
        'split="train")',
        f'model = GPTQModel.load("{material.model}", GPTQConfig(bits={bits}, group_size={group}))',
        f'model.quantize(rows.select(range({_SAMPLES}))["text"], batch_size=1)',
        f'model.save("{result}")',
    )
    return Recipe(
        (_made(material, GPTQMODEL, command, result, gpu=True),),
        _checks(material, result),
        calibration=f"{_SAMPLES} texts; c4/en is English: take text of your languages",
        note=_LAYER_AT_A_TIME,
    )


def _group(layout: WeightLayout) -> int:
    """The group size; -1 is how the tools call a whole row."""
    grouped = (term.size for term in layout.overheads if term.spread is Spread.GROUP)
    return next(grouped, -1)


def _auto_round(material: Material, layout: WeightLayout) -> Recipe:
    # It names the folder itself: model, bits and group size of the scheme.
    result = f"{material.name}-w4g128"
    command = (
        f"auto-round --model {material.model} --scheme W4A16 --format auto_round --output_dir ."
    )
    return Recipe(
        (_made(material, AUTO_ROUND, command, result, gpu=True),),
        _checks(material, result),
        calibration="the tool fetches its own samples (--dataset takes others)",
    )


_LOADERS: Final = {
    "bnb-NF4": ("BitsAndBytesConfig", 'load_in_4bit=True, bnb_4bit_quant_type="nf4"'),
    "bnb-NF4-DQ": (
        "BitsAndBytesConfig",
        'load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True',
    ),
    "bnb-FP4": ("BitsAndBytesConfig", 'load_in_4bit=True, bnb_4bit_quant_type="fp4"'),
    "bnb-Int8": ("BitsAndBytesConfig", "load_in_8bit=True"),
    "HQQ-Int4": ("HqqConfig", "nbits=4, group_size=64"),
}
_TORCHAO: Final = {
    "torchao-Int4": "Int4WeightOnlyConfig(group_size=128)",
    "torchao-Int4-g32": "Int4WeightOnlyConfig(group_size=32)",
    "torchao-Int8": "Int8WeightOnlyConfig()",
}


_NO_FILE: Final = "quantized while loading: no file is written"


def _by_vllm(material: Material) -> Recipe:
    command = f"vllm serve {material.model} --quantization bitsandbytes"
    step = _loading(command, "the running server", VLLM, material)
    expect = f"its log says that the weights take about {material.file_bytes:,} bytes"
    return Recipe((step,), (Check("", expect),), note=_NO_FILE)


def _loading(command: str, makes: str, tool: Tool, material: Material) -> Step:
    size = material.source_bytes
    return Step(command, makes, tool, size, size, True, _MAPPED)


def _at_load(material: Material, layout: WeightLayout) -> Recipe | None:
    if material.engine == "vllm" and layout.name == "bnb-NF4":
        return _by_vllm(material)
    imports: list[str] = []
    if layout.name in _TORCHAO:
        config = _TORCHAO[layout.name]
        imports.append(f"from torchao.quantization import {config.partition('(')[0]}")
        kind, config = "TorchAoConfig", f"TorchAoConfig({config})"
    elif layout.name in _LOADERS:
        kind, options = _LOADERS[layout.name]
        config = f"{kind}({options})"
    else:
        return None
    command = _script(
        *imports,
        f"from transformers import AutoModelForCausalLM, {kind}",
        f'model = AutoModelForCausalLM.from_pretrained("{material.model}", device_map="auto", '
        f"quantization_config={config})",
        "print(model.get_memory_footprint())",
    )
    step = _loading(command, "the loaded model", BITSANDBYTES, material)
    expect = f"prints about {material.file_bytes:,}, its weights in bytes"
    return Recipe((step,), (Check("", expect),), note=_NO_FILE)


_BY_ECOSYSTEM: Final[dict[str, Callable[[Material, WeightLayout], Recipe | None]]] = {
    "GPTQ": _gptq,
    "AutoRound": _auto_round,
    "bitsandbytes": _at_load,
    "HQQ": _at_load,
    "torchao": _at_load,
}
