"""Counts the weights of packed checkpoints: what is a code, what a scale, what a plain number.

Never multiply an element count by its dtype: gpt-oss-120b stores two FP4 weights in each U8.
Sources: tensor names and packings of AutoGPTQ, AutoAWQ, compressed-tensors, bitsandbytes, ModelOpt,
transformers' MXFP4 and MLX checkpoints.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

Stored = Mapping[str, tuple[str, tuple[int, ...], int]]
"""Name of a tensor → dtype, shape, bytes."""

_SIDE_SUFFIXES: Final = (
    *(".qzeros", ".scales", ".biases", ".g_idx", ".weight_scale", ".weight_scale_inv"),
    *(".weight_scale_2", ".weight_global_scale", ".weight_zero_point", ".weight_g_idx"),
    *(".weight_shape", ".input_scale", ".input_global_scale", ".k_scale", ".v_scale", ".SCB"),
    *(".weight_format", "_scales", ".absmax", ".quant_map", ".nested_absmax"),
    *(".nested_quant_map", "_scale_inv", "_weight_scale", "_weight_scale_2", "_input_scale"),
)
_STATE: Final = ".quant_state."
_ELEMENT_BITS: Final = {"U8": 8, "I32": 32, "U32": 32}


@dataclass(frozen=True, slots=True)
class WeightCount:
    """Weights of a model and the bytes that hold them.

    `scales` counts elements stored beside packed weights (scales, zero points, indices); their
    bytes are within `total_bytes`. `packed` = weights stored in fewer than 8 bits or as codes.
    """

    weights: int
    packed: int
    scales: int
    total_bytes: int

    @property
    def bits_per_weight(self) -> float | None:
        """Mean over all weights, scales included; None of an empty model."""
        return 8 * self.total_bytes / self.weights if self.weights else None


def count_weights(tensors: Stored, *, bits: int | None = None) -> WeightCount:
    """Weights, packed weights and side elements of a set of tensors."""
    weights = packed = scales = total = 0
    for name, (dtype, shape, size) in tensors.items():
        total += size
        stored = math.prod(shape)
        if _is_side(name, tensors):
            scales += stored
            continue
        width = _bits_per_weight(name, dtype, tensors, bits)
        held = stored if width is None else stored * _ELEMENT_BITS[dtype] // width
        weights += held
        packed += 0 if width is None else held
    return WeightCount(weights, packed, scales, total)


def _is_side(name: str, tensors: Stored) -> bool:
    """Whether a tensor only serves a packed one. A bias of a plain layer is a weight."""
    if _STATE in name:
        return True
    suffix = next((end for end in _SIDE_SUFFIXES if name.endswith(end)), None)
    if suffix is None:
        return False
    stem = name.removesuffix(suffix)
    partners = (
        *(f"{stem}.weight", f"{stem}.qweight", f"{stem}.weight_packed", f"{stem}_blocks"),
        *(stem, f"{stem}_weight", f"{stem}.q_proj.weight", f"{stem}.k_proj.weight"),
        *(f"{stem}.k_proj.weight_packed", f"{stem}.k_proj.qweight"),
    )
    return suffix.startswith(("_scale", ".k_", ".v_", ".input")) or any(
        partner in tensors for partner in partners
    )


def _bits_per_weight(name: str, dtype: str, tensors: Stored, bits: int | None) -> int | None:
    """Bits of one weight inside a packed element; None where an element is a weight."""
    if dtype in ("I32", "U32") and (
        name.endswith((".qweight", ".weight_packed"))
        or (name.endswith(".weight") and f"{name.removesuffix('.weight')}.scales" in tensors)
    ):
        return bits or 4
    if dtype != "U8":
        return None
    if name.endswith((".weight_packed", "_blocks")):
        return 4
    stem = name.removesuffix(".weight")
    scaled = (f"{stem}.weight_scale_2", f"{stem}_scale_2", f"{stem}_weight_scale_2")
    four_bit = any(f"{name}{_STATE}bitsandbytes__{kind}" in tensors for kind in ("nf4", "fp4"))
    if four_bit or any(key in tensors for key in scaled) or f"{name}.absmax" in tensors:
        return 4
    return None
