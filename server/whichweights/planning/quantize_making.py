"""What making a format of a model oneself takes: material, steps, disk, memory, calibration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from whichweights.planning._gguf_table import gguf_model
from whichweights.planning._weight_formats import GGUF_ENGINES
from whichweights.planning.formats import decode_tag
from whichweights.planning.gguf_files import gguf_file
from whichweights.planning.quantize import FormatOption
from whichweights.planning.recipes import Material, NoRecipe, Recipe, recipe_for
from whichweights.planning.weights import weigh
from whichweights_schemas.models import ModelSpec

__all__ = ["FormatNeeds", "material_of", "needs_of", "recipe_of", "wants_imatrix"]

_QUANTIZE_BUFFERS: Final = 8
"""Bytes per element of the largest tensor: llama-quantize holds it as float32 and keeps a work
buffer of 4 bytes an element (llama.cpp src/llama-quant.cpp, read 2026-11)."""


@dataclass(frozen=True, slots=True)
class FormatNeeds:
    """What making a format takes. None is unknown: `reason` says why. `disk_bytes` is the sum of
    all steps, `ram_bytes` the peak of the one that takes most of those that are known."""

    disk_bytes: int | None
    ram_bytes: int | None
    calibration: bool | None
    gpu: bool | None
    reason: str = ""


def wants_imatrix(option: FormatOption) -> bool:
    """Whether the file is to be made with an imatrix: where llama-quantize refuses without one,
    and where the published loss was measured with one."""
    if option.native or option.planned.run.engine not in GGUF_ENGINES:
        return False
    required = decode_tag(option.name).calibration == "imatrix, required"
    return required or (option.loss is not None and option.loss.imatrix)


def material_of(spec: ModelSpec, option: FormatOption) -> Material:
    """What a recipe starts from and makes. Raises UnsupportedArchitecture."""
    engine = option.planned.run.engine
    imatrix = wants_imatrix(option)
    weights = option.planned.planner.weights
    extra = weights.vision + weights.mtp
    file = gguf_file(spec, option.name, imatrix=imatrix) if engine in GGUF_ENGINES else None
    model = gguf_model(spec)
    return Material(
        model=spec.id,
        format=option.name,
        source_bytes=weigh(spec, "native", "transformers").language + extra,
        sixteen_bytes=weigh(spec, "BF16", engine).language,
        file_bytes=option.file_bytes if file is None or option.native else file.bytes,
        largest_bytes=None if model is None else _QUANTIZE_BUFFERS * model.largest,
        has_vision=weights.vision > 0,
        imatrix=imatrix,
        native=option.native,
    )


def recipe_of(spec: ModelSpec, option: FormatOption) -> Recipe | NoRecipe:
    """The commands that make this format of this model, or why there are none."""
    in_gguf = option.planned.run.engine in GGUF_ENGINES
    return recipe_for(material_of(spec, option), in_gguf=in_gguf)


def needs_of(recipe: Recipe | NoRecipe) -> FormatNeeds:
    """What all the steps of a recipe take together."""
    if isinstance(recipe, NoRecipe):
        return FormatNeeds(None, None, None, None, recipe.reason)
    disk = sum(step.disk_bytes or 0 for step in recipe.steps)
    peaks = [step.ram_bytes for step in recipe.steps if step.ram_bytes is not None]
    gpus = [step.gpu for step in recipe.steps]
    gpu = True if True in gpus else None if None in gpus else False
    making = [step for step in recipe.steps if step.tool.name != "hf"]
    reason = "" if peaks or not making else "nobody measured the peak of its tool"
    ram = max(peaks, default=None if making else 0)
    return FormatNeeds(disk, ram, bool(recipe.calibration), gpu, reason)
