"""What the readers of config.json hand over, and how layers become blocks and a layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    positions: dict[int, int] = {}
    blocks: list[Block] = []
    layout: list[int] = []
    for block in layers:
        known = positions.get(id(block))
        if known is None:
            known = blocks.index(block) if block in blocks else len(blocks)
            if known == len(blocks):
                blocks.append(block)
            positions[id(block)] = known
        layout.append(known)
    return tuple(blocks), tuple(layout)
