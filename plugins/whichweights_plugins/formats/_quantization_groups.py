"""Names the weight format of one group of a compressed-tensors config."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from whichweights_plugins.formats._config_fields import Fields

_FP8: Final = {"tensor": "FP8", "channel": "FP8-dynamic", "block": "FP8-block"}


@dataclass(frozen=True, slots=True)
class WeightGroup:
    """The format of the weights of one group; bits with their scales."""

    name: str
    bits_per_weight: float
    note: str | None = None


def named_group(weights: Fields, *, activations: Fields | None) -> WeightGroup | None:
    """The canonical name of a group's weights; None where there is none.

    Source: QuantizationArgs of compressed-tensors (num_bits, type, strategy, group_size).
    """
    bits, kind = weights.integer("num_bits"), weights.text("type") or "int"
    strategy = weights.text("strategy") or ""
    group = weights.raw("group_size")
    size = group if isinstance(group, int) and group > 0 else None
    if kind == "float":
        return _floats(weights, bits, strategy, size)
    if bits == 4 and activations is None:
        return _grouped_int4(weights, size)
    if bits == 8 and activations is not None:
        return WeightGroup("W8A8-INT8", 8.0)
    return None


def _floats(weights: Fields, bits: int, strategy: str, size: int | None) -> WeightGroup | None:
    if bits == 8 and size == 32:
        return WeightGroup("MXFP8", 8.25)
    if bits == 8 and strategy in _FP8:
        return WeightGroup(_FP8[strategy], 8.0, _odd_block(weights.raw("block_structure")))
    if bits == 4 and size == 16:
        return WeightGroup("NVFP4", 4.5)
    if bits == 4 and size == 32:
        return WeightGroup("MXFP4", 4.25)
    return None


def _odd_block(block: object) -> str | None:
    """A note where the blocks are not the usual 128 x 128; written as a list or as "128x128"."""
    if block in (None, [128, 128], "128x128"):
        return None
    return f"blocks of {str(block)[:20]}"


def _grouped_int4(weights: Fields, size: int | None) -> WeightGroup:
    """One 16-bit scale a group, and a zero point where the codes are not symmetric."""
    if size is None:
        return WeightGroup("W4A16", 4.0, "one scale for a whole row")
    zero = 4 if weights.raw("symmetric") is False else 0
    notes = [] if size == 128 else [f"groups of {size}"]
    notes += ["asymmetric"] if zero else []
    return WeightGroup("W4A16", 4 + (16 + zero) / size, ", ".join(notes) or None)
