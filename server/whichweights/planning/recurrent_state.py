"""Bytes of the constant state a sequence keeps in layers that do not cache every token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from whichweights_schemas.attention import (
    Attention,
    LinearAttention,
    ParallelMixers,
    RecurrentState,
    StateSpace,
)
from whichweights_schemas.models import ModelSpec

__all__ = ["StateBytes", "layer_state", "state_per_sequence"]

_FLOAT32: Final = 4
_FLOAT16: Final = 2
"""Layout of the reference figures: matrix state in float32, convolution window in 16 bits.
vLLM may keep the matrix in the model's 16 bits (low), llama.cpp keeps both in float32 (high)."""


@dataclass(frozen=True, slots=True)
class StateBytes:
    """State of one sequence; `low` and `high` are the narrowest and widest layout of an engine."""

    bytes: int = 0
    low: int = 0
    high: int = 0
    unknown: bool = False

    def __add__(self, other: StateBytes) -> StateBytes:
        return StateBytes(
            self.bytes + other.bytes,
            self.low + other.low,
            self.high + other.high,
            self.unknown or other.unknown,
        )

    def times(self, count: int) -> StateBytes:
        """The state of `count` layers or sequences."""
        return StateBytes(self.bytes * count, self.low * count, self.high * count, self.unknown)


def _layouts(matrix: int, window: int) -> StateBytes:
    return StateBytes(
        matrix * _FLOAT32 + window * _FLOAT16,
        (matrix + window) * _FLOAT16,
        (matrix + window) * _FLOAT32,
    )


def layer_state(attention: Attention) -> StateBytes:
    """State of one layer and one sequence, in bytes; zero for layers that cache tokens.

    Gated DeltaNet and KDA: value heads x key dim x value dim, and (kernel - 1) columns of the
    convolution's channels. Mamba: inner x state, and the same window. Sources: model classes of
    transformers; Qwen3.5-27B gives 153,944,064 bytes, Nemotron-3-Nano 49,082,368.
    """
    match attention:
        case LinearAttention():
            matrix = attention.value_heads * attention.key_head_dim * attention.value_head_dim
            channels = 2 * attention.key_heads * attention.key_head_dim
            channels += attention.value_heads * attention.value_head_dim
            return _layouts(matrix, channels * (attention.conv_kernel - 1))
        case StateSpace():
            channels = attention.inner_size
            if attention.version == 2:
                channels += 2 * attention.groups * attention.state_size
            matrix = attention.inner_size * attention.state_size
            return _layouts(matrix, channels * (attention.conv_kernel - 1))
        case RecurrentState():
            known = attention.state_bytes
            return StateBytes(unknown=True) if known is None else StateBytes(known, known, known)
        case ParallelMixers():
            return layer_state(attention.state_space)
        case _:
            return StateBytes()


def state_per_sequence(spec: ModelSpec) -> StateBytes:
    """State of all layers for one sequence, in bytes; from the published figure without layers."""
    if spec.layout:
        found = StateBytes()
        for index, block in enumerate(spec.blocks):
            found += layer_state(block.attention).times(spec.layout.count(index))
        return found
    known = spec.cache_figure.state_bytes if spec.cache_figure else 0
    return StateBytes(known, known // 2, known * 2)
