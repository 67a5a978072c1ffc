"""What the buffer rules of every engine start from, and what they answer with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from whichweights.planning.memory_types import Group, Part
from whichweights_schemas.attention import (
    ChunkedAttention,
    CompressedAttention,
    CrossAttention,
    EncoderAttention,
    FullAttention,
    LatentAttention,
    ParallelMixers,
    SlidingAttention,
    StateSpace,
)
from whichweights_schemas.evidence import Basis
from whichweights_schemas.models import Block, DenseFeedForward, ExpertsFeedForward, ModelSpec

__all__ = ["SCAN_CHUNK", "BufferFacts", "BufferPart", "buffer_facts", "gib_band", "spread"]

SCAN_CHUNK: Final = 256
"""Tokens of one chunk of a Mamba-2 scan (the default of the published configurations)."""

_DEFAULT_VOCABULARY: Final = 128_256
"""Stands in where a model's vocabulary is not known (the commonest of 2024-26)."""


@dataclass(frozen=True, slots=True)
class BufferFacts:
    """Widths a forward pass works with. `width` is the widest MLP one token passes.

    `experts_per_token` and `expert_width` belong to the widest routed layer (0 without one).
    `absorbed` elements per token are alive in absorbed MLA (queries, their compressed form, the
    compressed output), `expanded` in keys and values written out in full; both 0 without MLA.
    `mlp_elements` per token are alive at the widest point of an MLP sublayer without fused kernels,
    `scan_bytes` per token of a Mamba-2 chunk without them. `sinks`: its attention has no fused one.
    `window` is the shortest attention window (0 without one), `windowed_elements` the keys and
    values per token of all layers that have one.
    `guessed`: the shape is not known and the widths follow from the parameter count alone.
    """

    vocabulary: int
    hidden: int
    width: int
    heads: int
    moe: bool
    latent: bool
    encoder: bool
    guessed: bool
    experts_per_token: int = 0
    expert_width: int = 0
    absorbed: int = 0
    expanded: int = 0
    vision: bool = False
    mlp_elements: int = 0
    window: int = 0
    windowed_elements: int = 0
    scan_bytes: int = 0
    sinks: bool = False


@dataclass(frozen=True, slots=True)
class BufferPart:
    """A buffer of one device, in bytes: on the device with the head, and on any other one."""

    name: str
    group: Group
    bytes: int
    low: int
    high: int
    basis: Basis
    source: str
    note: str | None = None
    elsewhere: float = 1.0

    def on(self, with_head: bool) -> tuple[int, int, int]:
        """(bytes, low, high) on a device that holds the head, or on one that does not."""
        if with_head or self.elsewhere == 1.0:
            return self.bytes, self.low, self.high
        share = self.elsewhere
        return int(self.bytes * share), int(self.low * share), int(self.high * share)

    def as_part(self, heads: int, others: int) -> Part:
        """The line of the sum over `heads` devices with the head and `others` without."""
        first, rest = self.on(True), self.on(False)
        size, low, high = (heads * a + others * b for a, b in zip(first, rest, strict=True))
        return Part(self.name, self.group, size, low, high, self.basis, self.source, self.note)


def spread(value: float, low: float, high: float) -> tuple[int, int, int]:
    """(bytes, low, high) from a value and the factors of its band."""
    return round(value), round(value * low), round(value * high)


def gib_band(figures: tuple[float, float, float]) -> tuple[int, int, int]:
    """(bytes, low, high) from figures in GiB."""
    value, low, high = figures
    return round(value * 2**30), round(low * 2**30), round(high * 2**30)


def _heads(block: Block) -> int:
    attention = block.attention
    match attention:
        case (
            FullAttention()
            | SlidingAttention()
            | ChunkedAttention()
            | CrossAttention()
            | LatentAttention()
            | CompressedAttention()
            | EncoderAttention()
        ):
            return attention.query_heads
        case ParallelMixers():
            return attention.attention.query_heads
        case _:
            return 0


def _width(block: Block) -> int:
    feed_forward = block.feed_forward
    match feed_forward:
        case DenseFeedForward():
            return feed_forward.width
        case ExpertsFeedForward():
            return feed_forward.experts_per_token * feed_forward.width + feed_forward.shared_width
        case _:
            return 0


def _mlp_elements(block: Block, hidden: int) -> int:
    """Gate, up and their product, without a gate two of them, beside four rows of the hidden size
    (residual, normed, its copy, output); of routed experts, for each chosen one, three rows in and
    out and four widths. Checked on 28 models, four of them routed (`gpu_accuracy.py`)."""
    match block.feed_forward:
        case DenseFeedForward(width=width, gated=gated):
            return (3 if gated else 2) * width + 4 * hidden
        case ExpertsFeedForward() as moe:
            chosen = moe.experts_per_token * (3 * (moe.latent_size or hidden) + 4 * moe.width)
            return chosen + 3 * (moe.shared_width + (moe.parallel_dense_width or 0))
        case _:
            return 4 * hidden


def _scan_bytes(block: Block) -> int:
    """One token's row of a Mamba-2 chunk written out in 32 bits: chunk x heads x state."""
    attention = block.attention
    mixer = attention.state_space if isinstance(attention, ParallelMixers) else attention
    if not isinstance(mixer, StateSpace) or mixer.version == 1:
        return 0
    return 4 * SCAN_CHUNK * mixer.heads * mixer.state_size


def _windows(spec: ModelSpec) -> tuple[int, int]:
    """(shortest window, cached elements per token of all windowed layers)."""
    shortest = elements = 0
    for index, block in enumerate(spec.blocks):
        attention = block.attention
        if isinstance(attention, SlidingAttention) and not attention.shares_kv:
            shortest = min(shortest or attention.window, attention.window)
            row = attention.kv_heads * (attention.head_dim + attention.value_dim)
            elements += spec.layout.count(index) * row
    return shortest, elements


def _latent(blocks: tuple[Block, ...]) -> tuple[int, int]:
    """(absorbed, expanded) elements per token of the widest MLA layer."""
    found = [block.attention for block in blocks if isinstance(block.attention, LatentAttention)]
    absorbed = [
        mla.query_heads * (2 * mla.kv_lora_rank + 2 * mla.rope_head_dim + mla.nope_head_dim)
        for mla in found
    ]
    expanded = [
        mla.query_heads * (mla.nope_head_dim + mla.rope_head_dim + mla.value_head_dim)
        for mla in found
    ]
    return max(absorbed, default=0), max(expanded, default=0)


def buffer_facts(spec: ModelSpec) -> BufferFacts:
    """The widths of a model; guessed from its size where the shape is not known.

    The guess is h = 14.4 sqrt(active weights / 1e5), which gives 4,073 at 8 B (Llama-3.1-8B 4,096).
    """
    blocks = spec.blocks
    hidden, vocabulary = spec.hidden_size, spec.vocab_size
    counts = spec.parameters
    weights = counts.active or counts.language or counts.total or 10**9
    guess = max(512, round(14.4 * (weights / 1e5) ** 0.5))
    routed = [b.feed_forward for b in blocks if isinstance(b.feed_forward, ExpertsFeedForward)]
    widest = max(routed, key=lambda moe: moe.experts_per_token * moe.width, default=None)
    absorbed, expanded = _latent(blocks)
    window, windowed = _windows(spec)
    size = hidden or guess
    return BufferFacts(
        vocabulary=vocabulary or _DEFAULT_VOCABULARY,
        hidden=hidden or guess,
        width=max((_width(block) for block in blocks), default=0) or 4 * (hidden or guess),
        heads=max((_heads(block) for block in blocks), default=0) or (hidden or guess) // 128,
        moe=widest is not None,
        latent=absorbed > 0,
        encoder=spec.kind == "encoder",
        guessed=not (hidden and vocabulary and blocks),
        experts_per_token=widest.experts_per_token if widest else 0,
        expert_width=widest.width if widest else 0,
        absorbed=absorbed,
        expanded=expanded,
        vision=bool(counts.vision),
        mlp_elements=max((_mlp_elements(b, size) for b in blocks), default=0) or 16 * size,
        window=window,
        windowed_elements=windowed,
        scan_bytes=max((_scan_bytes(block) for block in blocks), default=0),
        sinks=any(
            isinstance(block.attention, FullAttention | SlidingAttention) and block.attention.sinks
            for block in blocks
        ),
    )
