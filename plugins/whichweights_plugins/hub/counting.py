"""From the Hub's counts per dtype to the number of weights.

The Hub counts elements as stored: scales count as weights, and a packed element holds several (for
MXFP4 it counts the weights inside instead). So: the weights of the packed dtype follow from the
format, its scales are taken off, and the bytes of the files decide whether that reading is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from whichweights_schemas.evidence import Basis

__all__ = ["Counted", "count_weights"]

WIDTHS: Final = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "I8", "U8", "BOOL"), 1),
    **dict.fromkeys(("F4", "F6_E2M3", "F6_E3M2"), 1),
}
"""Bytes of one element of a safetensors dtype."""

_NO_WEIGHTS: Final = frozenset({"I64", "U64", "BOOL", "I16", "U16"})
"""Indices, masks and shapes: nobody stores weights so (BERT keeps its positions as I64)."""

_FP8: Final = ("F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ")
_SCALE_TYPES: Final = ("F8_E8M0", "F8_E4M3")
_CLOSE: Final = 0.02
"""How far the bytes that a reading implies may be from the files: headers, index tensors."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The number of weights, how it is known, and in what words."""

    total: int | None
    basis: Basis = "exact"
    note: str | None = None


@dataclass(frozen=True, slots=True)
class _Packing:
    """How weights lie in elements: `per_element` in one of `dtype`, `per_scale` share a scale."""

    dtype: str
    bits: float
    per_scale: int
    scale_bytes: float
    in_same_dtype: float = 0.0
    """Elements of `dtype` per weight that hold scales or zero points, not weights."""

    @property
    def elements_per_weight(self) -> float:
        """Elements of `dtype` as stored for one weight, scales included."""
        return self.bits / (8 * WIDTHS[self.dtype]) + self.in_same_dtype


def count_weights(
    counts: Mapping[str, int], config: Mapping[str, object], file_bytes: int | None
) -> Counted:
    """The number of weights behind `counts` (elements per dtype, as the Hub lists them).

    `config` = the config.json or its part in the Hub's answer; `file_bytes` = all safetensors
    files together. Without packing the sum is exact. A reading that the bytes contradict is not
    used: then the number is unknown.
    """
    counts = {name: count for name, count in counts.items() if name not in _NO_WEIGHTS}
    if not counts:
        return Counted(None, note="the Hub lists no parameter counts for this repository")
    packing = _packing(counts, _section(config))
    if packing is None:
        return _plain(counts, file_bytes)
    rest = {name: count for name, count in counts.items() if name != packing.dtype}
    packed = counts.get(packing.dtype, 0)
    for weights, how in (
        (round(packed / packing.elements_per_weight), "elements"),
        (_logical(packed, packing), "weights"),
    ):
        if weights and _bytes_agree(weights, packing, rest, file_bytes):
            total = weights + sum(rest.values()) - _scales(weights, packing, rest)
            note = f"from packed {packing.dtype} {how} of {packing.bits:g} bits, scales left out"
            return Counted(max(total, weights), "computed", note)
    return Counted(None, note="the counts of this packed format do not agree with its files")


def _plain(counts: Mapping[str, int], file_bytes: int | None) -> Counted:
    eight_bit = sum(counts.get(name, 0) for name in _FP8)
    total = sum(counts.values())
    scales = counts.get("F32", 0) + counts.get("F8_E8M0", 0)
    if eight_bit > total / 2 and 0 < scales < eight_bit / 100:
        note = "scales of the 8-bit weights left out"
        return Counted(total - scales, "computed", note)
    width = sum(count * WIDTHS.get(name, 0) for name, count in counts.items())
    if file_bytes and not (1 - _CLOSE) * file_bytes <= width <= (1 + _CLOSE) * file_bytes:
        note = "the Hub's counts do not agree with the sizes of the files"
        return Counted(total, "published", note)
    return Counted(total)


def _section(config: Mapping[str, object]) -> Mapping[str, object]:
    for holder in (config, config.get("text_config")):
        if isinstance(holder, Mapping):
            values = cast("Mapping[str, object]", holder)
            for key in ("quantization_config", "compression_config", "quantization"):
                found = values.get(key)
                if isinstance(found, Mapping) and found:
                    return cast("Mapping[str, object]", found)
    return {}


def _packing(counts: Mapping[str, int], section: Mapping[str, object]) -> _Packing | None:
    """How the format packs; None where every element is a weight (or nobody says)."""
    text = " ".join(str(section.get(key, "")) for key in ("quant_method", "format", "quant_algo"))
    text = text.lower()
    if "mxfp4" in text:
        return _Packing("U8", 4, 32, 1, in_same_dtype=1 / 32)
    if "nvfp4" in text and counts.get("U8"):
        return _Packing("U8", 4, 16, 1)
    if counts.get("U8") and "bitsandbytes" in text:
        nested = section.get("bnb_4bit_use_double_quant") is True
        return _Packing("U8", 4, 64, 1 if nested else 4, in_same_dtype=1 / 64 if nested else 0.0)
    dtype = next((name for name in ("I32", "U32") if counts.get(name)), None)
    bits, group = _bits_and_group(section)
    if dtype is None or bits is None or sum(counts.values()) > 2 * counts[dtype] * 32 / bits:
        return None
    zero_points = bits / (32 * group) if text.startswith(("gptq", "awq")) else 0.0
    return _Packing(dtype, bits, group, 4.0 if dtype == "U32" else 2.0, zero_points)


def _bits_and_group(section: Mapping[str, object]) -> tuple[float | None, int]:
    """Bits and group size as GPTQ, AWQ and MLX say them, or compressed-tensors in its groups."""
    groups = section.get("config_groups")
    if isinstance(groups, Mapping):
        for group in cast("Mapping[str, object]", groups).values():
            weights = (
                cast("Mapping[str, object]", group).get("weights")
                if isinstance(group, Mapping)
                else None
            )
            if isinstance(weights, Mapping):
                return _bits_and_group(
                    {"bits": weights.get("num_bits"), "group_size": weights.get("group_size")}  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]  # JSON
                )
    bits, size = section.get("bits", section.get("w_bit")), section.get("group_size")
    size = size if isinstance(size, int) and size > 0 else 4096
    return (float(bits) if isinstance(bits, int) and 1 <= bits <= 8 else None), size


def _logical(packed: int, packing: _Packing) -> int:
    """The weights, where the Hub counted the weights inside the packed elements."""
    if packing.dtype not in ("U8", "I8"):
        return 0
    return round(packed / (1 + packing.in_same_dtype))


def _scales(weights: int, packing: _Packing, rest: Mapping[str, int]) -> int:
    """How many of the other elements are scales (MLX: scales and biases)."""
    if packing.in_same_dtype and packing.dtype == "U8":
        return 0
    expected = weights // packing.per_scale * (2 if packing.dtype == "U32" else 1)
    names = _SCALE_TYPES if packing.bits == 4 and packing.per_scale == 16 else rest
    return min(expected, sum(rest.get(name, 0) for name in names))


def _bytes_agree(
    weights: int, packing: _Packing, rest: Mapping[str, int], file_bytes: int | None
) -> bool:
    if not file_bytes:
        return True
    implied = weights * WIDTHS[packing.dtype] * packing.elements_per_weight
    implied += sum(count * WIDTHS.get(name, 0) for name, count in rest.items())
    return abs(implied - file_bytes) <= _CLOSE * file_bytes
