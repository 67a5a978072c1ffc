"""How many tokens an image takes, for open families that document it: formulas by family.

Each formula counts what stands in the prompt for one image, the marks around it included. The
sources are the families' processors (transformers 5, mistral-common 1.13.1) and published
configurations, read 2026-11; another configuration of the same model gives another count.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

MAX_SIDE_PIXELS = 100_000
MAX_ASPECT_RATIO = 200
"""Beyond it the processor of Qwen2-VL refuses an image."""


class ImageFormula(Protocol):
    """Tokens of one image of that size in pixels."""

    @property
    def needs_size(self) -> bool:
        """Whether the size matters at all."""
        ...

    def tokens(self, width: int, height: int) -> int:
        """Marks around the image included."""
        ...


@dataclass(frozen=True)
class Fixed:
    """Every image is brought to one size."""

    count: int
    needs_size: bool = False

    def tokens(self, width: int, height: int) -> int:
        return self.count


@dataclass(frozen=True)
class Grid:
    """Both sides rounded to cells, the area brought between two bounds; one token a cell."""

    cell: int
    min_pixels: int
    max_pixels: int
    marks: int
    needs_size: bool = True

    def tokens(self, width: int, height: int) -> int:
        cell = self.cell
        wide, high = round(width / cell) * cell, round(height / cell) * cell
        if wide * high > self.max_pixels:
            by = math.sqrt(width * height / self.max_pixels)
            wide, high = (max(cell, math.floor(x / by / cell) * cell) for x in (width, height))
        elif wide * high < self.min_pixels:
            by = math.sqrt(self.min_pixels / (width * height))
            wide, high = (math.ceil(x * by / cell) * cell for x in (width, height))
        return wide * high // cell**2 + self.marks


@dataclass(frozen=True)
class Rows:
    """Brought below a longest side, cut into cells; one token a cell and one at each row's end."""

    cell: int
    longest: int
    needs_size: bool = True

    def tokens(self, width: int, height: int) -> int:
        ratio = max(width / self.longest, height / self.longest)
        if ratio > 1:
            width, height = round(width / ratio), round(height / ratio)
        across, down = ((side - 1) // self.cell + 1 for side in (width, height))
        return (across + 1) * down


@dataclass(frozen=True)
class AspectTiles:
    """Tiles of the grid with the nearest aspect ratio, and a thumbnail where they are several."""

    side: int
    most: int
    a_tile: int
    marks: int
    needs_size: bool = True

    def tokens(self, width: int, height: int) -> int:
        columns, rows = self._grid(width, height)
        tiles = columns * rows
        return (tiles + (tiles > 1)) * self.a_tile + self.marks

    def _grid(self, width: int, height: int) -> tuple[int, int]:
        best, nearest = (1, 1), math.inf
        for columns, rows in _grids(self.most):
            off = abs(width / height - columns / rows)
            large = width * height > 0.5 * self.side**2 * columns * rows
            if off < nearest or (off == nearest and large):
                best, nearest = (columns, rows), off
        return best


@dataclass(frozen=True)
class CanvasTiles:
    """Tiles of the canvas that holds the image with least scaling; the whole image comes last.

    Between the tiles of a row stands a mark, after each row another, and three around all.
    """

    side: int
    most: int
    a_tile: int
    needs_size: bool = True

    def tokens(self, width: int, height: int) -> int:
        columns, rows = self._canvas(width, height)
        whole = self.a_tile + 3
        return whole if columns * rows == 1 else rows * columns * (self.a_tile + 1) + whole

    def _canvas(self, width: int, height: int) -> tuple[int, int]:
        scales = {
            (columns, rows): min(columns * self.side / width, rows * self.side / height)
            for columns, rows in _grids(self.most)
        }
        enlarging = [scale for scale in scales.values() if scale >= 1]
        chosen = min(enlarging) if enlarging else max(scales.values())
        return min(
            (grid for grid, scale in scales.items() if scale == chosen),
            key=lambda grid: grid[0] * grid[1],
        )


@cache
def _grids(most: int) -> Sequence[tuple[int, int]]:
    """(columns, rows) of at most so many tiles, the fewest first."""
    sides = range(1, most + 1)
    found = [(columns, rows) for columns in sides for rows in sides if columns * rows <= most]
    return sorted(found, key=lambda grid: grid[0] * grid[1])


@dataclass(frozen=True)
class ImageRule:
    """One family. `models` is searched in a model's name; `note` says what is not counted."""

    family: str
    models: re.Pattern[str]
    formula: ImageFormula
    source: str
    note: str | None = None


def _rule(
    family: str, models: str, formula: ImageFormula, source: str, note: str | None = None
) -> ImageRule:
    return ImageRule(family, re.compile(models, re.IGNORECASE), formula, source, note)


_PROCESSOR = "of transformers, read 2026-11"
RULES: tuple[ImageRule, ...] = (
    _rule(
        "Qwen2-VL and Qwen2.5-VL",
        r"qwen-?2(?:\.5)?-?vl",
        Grid(cell=28, min_pixels=4 * 28**2, max_pixels=16_384 * 28**2, marks=2),
        f"Qwen2-VL processor {_PROCESSOR}; model card: 4 to 16,384 tokens an image",
        "with the published bounds of pixels; a server may set lower ones",
    ),
    _rule(
        "Qwen3-VL",
        r"qwen-?3-?vl",
        Grid(cell=32, min_pixels=64 * 32**2, max_pixels=16_384 * 32**2, marks=2),
        f"Qwen2-VL processor {_PROCESSOR}; preprocessor_config.json of Qwen3-VL",
        "with the published bounds of pixels; a server may set lower ones",
    ),
    _rule(
        "Gemma 3",
        r"gemma-?3-(?:4|12|27)b",
        Fixed(256 + 4),
        f"Gemma 3 processor {_PROCESSOR}: 256 soft tokens, two marks, a blank line on each side",
        "pan and scan, which is off by default, is not counted; a blank line may join with others",
    ),
    _rule(
        "LLaVA-1.5",
        r"llava-(?:v?1\.5)",
        Fixed(576),
        f"LLaVA processor {_PROCESSOR}: (336 / 14)^2 patches",
    ),
    _rule(
        "Llama 4",
        r"llama-?4-",
        CanvasTiles(side=336, most=16, a_tile=144),
        f"Llama 4 processor {_PROCESSOR}",
    ),
    _rule(
        "InternVL2 to InternVL3.5",
        r"internvl(?:2|2[._]5|3|3[._]5)-",
        AspectTiles(side=448, most=12, a_tile=256, marks=2),
        "dynamic_preprocess of the InternVL model cards, at most 12 tiles; read 2026-11",
    ),
    _rule(
        "Pixtral 12B",
        r"pixtral-12b",
        Rows(cell=16, longest=1024),
        "image encoder of mistral-common 1.13.1; params.json of Pixtral 12B",
    ),
    _rule(
        "Mistral Small 3.1 and 3.2",
        r"mistral-small-3\.[12]-",
        Rows(cell=28, longest=1540),
        "image encoder of mistral-common 1.13.1; params.json of Mistral Small 3.1",
    ),
)
"""First match wins."""


def image_rule_of(name: str) -> ImageRule | None:
    """The rule of the family a model's name says; None where none is documented here."""
    plain = re.sub(r"[\s_]+", "-", name)
    return next((rule for rule in RULES if rule.models.search(plain)), None)
