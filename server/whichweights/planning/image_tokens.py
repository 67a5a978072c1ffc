"""How many tokens an image takes, for open families that document it: formulas by family.

Each formula counts what stands in the prompt for one image, the marks around it included. Each
`source` names the files that were opened, on 2026-11-27, in transformers 5.24.0, mistral-common
1.13.1 and qwen-vl-utils 0.0.14 from PyPI; `assumed` says what none of them states. Another
configuration of the same model gives another count.
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
    """One family. `models` is searched in a model's name; `note` says what is not counted.

    `assumed` names a figure that no opened source states, None where there is none.
    """

    family: str
    models: re.Pattern[str]
    formula: ImageFormula
    source: str
    note: str | None = None
    assumed: str | None = None


def _rule(
    family: str,
    models: str,
    formula: ImageFormula,
    source: str,
    note: str | None = None,
    assumed: str | None = None,
) -> ImageRule:
    return ImageRule(family, re.compile(models, re.IGNORECASE), formula, source, note, assumed)


READ = "2026-11-27"
"""When the sources were opened."""

_TRANSFORMERS = "transformers 5.24.0, models"
_QWEN_UTILS = "qwen-vl-utils 0.0.14, vision_process.py: 4 to 16,384 tokens an image"
_QWEN_NOTE = (
    "with the bounds of pixels its maker's tools set; a server may set lower ones, and the class "
    "of transformers alone stops at 1,280 tokens"
)
RULES: tuple[ImageRule, ...] = (
    _rule(
        "Qwen2-VL and Qwen2.5-VL",
        r"qwen-?2(?:\.5)?-?vl",
        Grid(cell=28, min_pixels=4 * 28**2, max_pixels=16_384 * 28**2, marks=2),
        f"Qwen2-VL processor: {_TRANSFORMERS}/qwen2_vl/image_processing_qwen2_vl.py; {_QWEN_UTILS}",
        _QWEN_NOTE,
    ),
    _rule(
        "Qwen3-VL",
        r"qwen-?3-?vl",
        Grid(cell=32, min_pixels=64 * 32**2, max_pixels=16_384 * 32**2, marks=2),
        f"Qwen2-VL processor, which Qwen3-VL uses: {_TRANSFORMERS}/qwen2_vl/"
        f"image_processing_qwen2_vl.py and qwen3_vl/processing_qwen3_vl.py; {_QWEN_UTILS}",
        _QWEN_NOTE,
        "that an image has at least 65,536 pixels, as copies of its preprocessor_config.json say; "
        "matters below 256 x 256",
    ),
    _rule(
        "Gemma 3",
        r"gemma-?3-(?:4|12|27)b",
        Fixed(256 + 4),
        f"{_TRANSFORMERS}/gemma3/processing_gemma3.py: 256 soft tokens, two marks, a blank line on "
        "each side",
        "pan and scan, which is off by default, is not counted; a blank line may join with others",
    ),
    _rule(
        "LLaVA-1.5",
        r"llava-(?:v?1\.5)",
        Fixed(576),
        f"{_TRANSFORMERS}/llava/configuration_llava.py: (336 / 14)^2 patches, image_seq_length 576",
    ),
    _rule(
        "Llama 4",
        r"llama-?4-",
        CanvasTiles(side=336, most=16, a_tile=144),
        f"{_TRANSFORMERS}/llama4/image_processing_llama4.py and processing_llama4.py, the defaults "
        "of which its convert_llama4_weights_to_hf.py writes into the checkpoints",
    ),
    _rule(
        "InternVL2 to InternVL3.5",
        r"internvl(?:2|2[._]5|3|3[._]5)-(?!.*flash)",
        AspectTiles(side=448, most=12, a_tile=256, marks=2),
        f"{_TRANSFORMERS}/internvl/processing_internvl.py and got_ocr2/image_processing_got_ocr2"
        ".py; dynamic_preprocess in a copy of the model card of InternVL3-1B: at most 12 tiles",
        assumed="that InternVL2, 2.5 and 3.5 take the tiles of InternVL3: their cards were not "
        "opened",
    ),
    _rule(
        "Pixtral 12B",
        r"pixtral-12b",
        Rows(cell=16, longest=1024),
        "mistral-common 1.13.1, tokens/tokenizers/image.py and the `image` of data/"
        "tekken_240911.json: patches of 16, at most 1,024",
    ),
    _rule(
        "Mistral Small 3.1 and 3.2",
        r"mistral-small-3\.[12]-",
        Rows(cell=28, longest=1540),
        "mistral-common 1.13.1, tokens/tokenizers/image.py; "
        f"{_TRANSFORMERS}/mistral3/configuration_mistral3.py: patches of 14 merged by 2, at most "
        "1,540",
    ),
)
"""First match wins."""


def image_rule_of(name: str) -> ImageRule | None:
    """The rule of the family a model's name says; None where none is documented here."""
    plain = re.sub(r"[\s_]+", "-", name)
    return next((rule for rule in RULES if rule.models.search(plain)), None)
