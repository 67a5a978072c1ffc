"""How to make a format of a model oneself: exact commands, what each needs, how to check it.

Commands follow the options of the tool's version named beside them; nothing is run here.
"""

from __future__ import annotations

from typing import Final

from whichweights.planning.formats import decode_tag, layout
from whichweights.planning.recipes._checkpoints import checkpoint_recipe
from whichweights.planning.recipes._gguf import download, from_checkpoint, gguf_recipe
from whichweights.planning.recipes._own_tools import exl2_recipe, exl3_recipe, mlx_recipe
from whichweights.planning.recipes._shapes import Check, Material, NoRecipe, Recipe, Step, Tool
from whichweights.planning.recipes._tools import EXLLAMAV2, EXLLAMAV3, TOOLS

OWN_ENGINES: Final = (EXLLAMAV2, EXLLAMAV3)
"""Tools that are engines too, which this planner does not plan."""

__all__ = [
    "OWN_ENGINES",
    "TOOLS",
    "Check",
    "Material",
    "NoRecipe",
    "Recipe",
    "Step",
    "Tool",
    "recipe_for",
]


def recipe_for(material: Material, *, in_gguf: bool) -> Recipe | NoRecipe:
    """The commands that make `material.format` of `material.model`.

    `in_gguf`: the engine reads GGUF, so that plain floats and the maker's own format are converted.
    Raises UnknownQuantization.
    """
    if not material.is_repository:
        return NoRecipe("the model is no repository of the Hub that a command could name")
    decoded = decode_tag(material.format)
    hand_made = decoded.container == "gguf" and decoded.bits_per_weight is None
    if decoded.dynamic or (hand_made and decoded.canonical != "MXFP4_MOE"):
        return NoRecipe("its publisher chose a type per tensor and gives no recipe: download it")
    if material.native and not in_gguf:
        return _as_the_maker_stores_it(material)
    if in_gguf and decoded.canonical == "NVFP4":
        made = checkpoint_recipe(material, layout("NVFP4"))
        assert made is not None
        return from_checkpoint(material, made, made.steps[-1].makes)
    if in_gguf or (decoded.container == "gguf" and decoded.layout_name is None):
        return gguf_recipe(material, decoded)
    if decoded.layout_name is None:
        return _as_the_maker_stores_it(material)
    row = layout(decoded.layout_name)
    if row.container == "mlx":
        return mlx_recipe(material, row)
    if row.container in _EXL:
        return _EXL[row.container](material, row)
    recipe = checkpoint_recipe(material, row)
    return recipe or NoRecipe(f"no current tool is known to make {row.name}")


_EXL: Final = {"exl2": exl2_recipe, "exl3": exl3_recipe}


def _as_the_maker_stores_it(material: Material) -> Recipe:
    return Recipe(
        (download(material),),
        (Check("du -sb source", f"about {material.source_bytes:,} bytes"),),
    )
