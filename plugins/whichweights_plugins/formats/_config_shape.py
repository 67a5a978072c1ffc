"""What the readers of config.json hand over, and how layers become blocks and a layout."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import cast

from whichweights_schemas.models import Block


@dataclass(frozen=True, slots=True)
class LanguageShape:
    """The language part of a model. `unproved` = why its weights may not add up, layer by layer."""

    hidden: int
    vocabulary: int
    tied: bool
    layers: tuple[Block, ...]
    lm_head_bias: bool = False
    learned_positions: int = 0
    extra_parameters: int = 0
    final_norm: bool = True
    mtp_layers: int = 0
    encoder: bool = False
    unproved: str | None = None
    notes: tuple[str, ...] = ()


def distinct(layers: Sequence[Block]) -> tuple[tuple[Block, ...], tuple[int, ...]]:
    """Each distinct block once, in order of appearance, and which of them every layer is."""
    positions: dict[Hashable, int] = {}
    blocks: list[Block] = []
    layout: list[int] = []
    for block in layers:
        # A block is frozen, so it has a hash; type checkers do not see that pydantic gives it one.
        position = positions.setdefault(cast("Hashable", block), len(blocks))
        if position == len(blocks):
            blocks.append(block)
        layout.append(position)
    return tuple(blocks), tuple(layout)
