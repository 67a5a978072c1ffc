"""What making a format of a model oneself takes: material, steps, disk, memory, calibration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from whichweights.planning._gguf_table import gguf_model
from whichweights.planning._weight_formats import GGUF_ENGINES
from whichweights.planning.gguf_files import gguf_file
from whichweights.planning.quantize import FormatOption
from whichweights.planning.recipes import Material, NoRecipe, Recipe, recipe_for
from whichweights.planning.weights import weigh
from whichweights_schemas.models import ModelSpec

__all__ = ["FormatNeeds", "material_of", "needs_of", "recipe_of", "recipe_without_engine"]

_QUANTIZE_BUFFERS: Final = 8
"""Bytes per element of the largest tensor: llama-quantize holds it as float32 and keeps a work
buffer of 4 bytes an element (llama.cpp src/llama-quant.cpp, read 2026-11)."""


@dataclass(frozen=True, slots=True)
class FormatNeeds:
    """What making a format takes. None is unknown: `reason` says why. `disk_bytes` is the sum of
    all steps, `ram_bytes` the peak of the one that takes most, which follows from `ram_from`."""

    disk_bytes: int | None
    ram_bytes: int | None
    calibration: bool | None
    gpu: bool | None
    reason: str = ""
    ram_from: str = ""


def material_of(spec: ModelSpec, option: FormatOption) -> Material:
    """What a recipe starts from and makes. Raises UnsupportedArchitecture."""
    engine = option.planned.run.engine
    weights = option.planned.planner.weights
    extra = weights.vision + weights.mtp
    file = gguf_file(spec, option.name, imatrix=option.imatrix) if engine in GGUF_ENGINES else None
    model = gguf_model(spec)
    return Material(
        model=spec.id,
        format=option.name,
        source_bytes=weigh(spec, "native", "transformers").language + extra,
        sixteen_bytes=weigh(spec, "BF16", engine).language,
        file_bytes=option.file_bytes if file is None or option.native else file.bytes,
        largest_bytes=None if model is None else _QUANTIZE_BUFFERS * model.largest,
        has_vision=weights.vision > 0,
        imatrix=option.imatrix,
        engine=engine,
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
    peaks = [(step.ram_bytes, step.ram_from) for step in recipe.steps if step.ram_bytes is not None]
    gpus = [step.gpu for step in recipe.steps]
    gpu = True if True in gpus else None if None in gpus else False
    making = [step for step in recipe.steps if step.tool.name != "hf"]
    reason = "" if peaks or not making else "the tensors of the model are not known"
    none: tuple[int | None, str] = (None if making else 0, "")
    ram, ram_from = max(peaks) if peaks else none
    return FormatNeeds(disk, ram, bool(recipe.calibration), gpu, reason, ram_from)


def recipe_without_engine(spec: ModelSpec, format_name: str) -> Recipe | NoRecipe:
    """The commands for a format that no engine planned here reads (EXL2, EXL3).

    Raises UnsupportedArchitecture, UnknownQuantization.
    """
    source = weigh(spec, "native", "transformers")
    return recipe_for(
        Material(
            model=spec.id,
            format=format_name,
            source_bytes=source.language + source.vision + source.mtp,
            sixteen_bytes=weigh(spec, "BF16", "transformers").language,
            file_bytes=weigh(spec, format_name, "transformers").language,
            largest_bytes=None,
            has_vision=source.vision > 0,
            imatrix=False,
            native=False,
            engine="transformers",
        ),
        in_gguf=False,
    )
