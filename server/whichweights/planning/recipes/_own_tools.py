"""Formats with a tool of their own: MLX, EXL2 and EXL3."""

from __future__ import annotations

from typing import Final

from whichweights.planning.formats import Spread, WeightLayout
from whichweights.planning.recipes._gguf import download
from whichweights.planning.recipes._shapes import Check, Material, Recipe, Step
from whichweights.planning.recipes._tools import EXLLAMAV2, EXLLAMAV3, MLX_LM

__all__ = ["exl2_recipe", "exl3_recipe", "mlx_recipe"]

_BOTH: Final = "at most: the checkpoint, loaded lazily, and the result"
_CHECKPOINT: Final = "at most: the checkpoint, read layer by layer, with its calibration states"


def mlx_recipe(material: Material, layout: WeightLayout) -> Recipe:
    """One command; it reads the checkpoint from the Hub and writes the folder."""
    result = f"{material.name}-{layout.name}"
    mode = layout.name.removeprefix("MLX-").lower()
    if mode in ("mxfp4", "nvfp4", "mxfp8"):
        options = f"-q --q-mode {mode}"
    else:
        group = next(t.size for t in layout.overheads if t.spread is Spread.GROUP)
        options = f"-q --q-bits {int(layout.bits)} --q-group-size {group}"
    command = f"mlx_lm.convert --model {material.model} {options} --mlx-path {result}"
    disk = material.source_bytes + material.file_bytes
    size = f"about {material.file_bytes:,} bytes"
    compare = f"the same with --model {material.model}, then compare"
    return Recipe(
        (Step(command, result, MLX_LM, disk, disk, False, _BOTH),),
        (
            Check(f"du -sk {result}", size),
            Check(f"mlx_lm.perplexity --model {result} --num-samples 256", compare),
        ),
        note="made on the Mac itself: its memory is the GPU's",
    )


def exl3_recipe(material: Material, layout: WeightLayout) -> Recipe:
    """The project's converter; head in 6 bits, embeddings in 16 unless told otherwise."""
    result = f"{material.name}-{layout.name}"
    command = (
        f"python -m exllamav3.conversion.convert_model -i source -o {result} "
        f"-w {result}-work -b {layout.bits:g} -hb 6"
    )
    disk, ram = 2 * material.file_bytes, material.sixteen_bytes
    convert = Step(command, result, EXLLAMAV3, disk, ram, True, _CHECKPOINT)
    return Recipe(
        (download(material), convert),
        (Check(f"du -sb {result}", f"about {material.file_bytes:,} bytes"),),
        calibration="the converter brings its own text",
        duration="minutes for small models, hours from 70 B up, on one RTX 4090 (its README)",
    )


def exl2_recipe(material: Material, layout: WeightLayout) -> Recipe:
    """The older converter: it measures every layer at several widths, then packs the choice."""
    result = f"{material.name}-{layout.name}"
    command = (
        f"python -m exllamav2.conversion.convert_exl2 -i source -o {result}-work "
        f"-cf {result} -b {layout.bits:g} -hb 6"
    )
    disk, ram = 2 * material.file_bytes, material.sixteen_bytes
    convert = Step(command, result, EXLLAMAV2, disk, ram, True, _CHECKPOINT)
    return Recipe(
        (download(material), convert),
        (Check(f"du -sb {result}", f"about {material.file_bytes:,} bytes"),),
        calibration="the converter brings its own text",
    )
