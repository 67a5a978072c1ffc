"""What a forward pass keeps for its backward pass, counted from the shape of the layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from whichweights.planning.buffers import BufferFacts, buffer_facts
from whichweights_schemas.attention import (
    Attention,
    ChunkedAttention,
    CompressedAttention,
    CrossAttention,
    EncoderAttention,
    FullAttention,
    LatentAttention,
    LinearAttention,
    ParallelMixers,
    SlidingAttention,
    StateSpace,
)
from whichweights_schemas.models import Block, DenseFeedForward, ExpertsFeedForward, ModelSpec

__all__ = ["ActivationShape", "activation_shape"]

_SoftmaxKinds = FullAttention | SlidingAttention | ChunkedAttention | CrossAttention

_UNKNOWN_LAYERS: Final = 32
_SCAN_CHUNK: Final = 64
"""Tokens between two kept states of a chunked scan (flash-linear-attention; Mamba-2 uses 256)."""


@dataclass(frozen=True, slots=True)
class ActivationShape:
    """Bytes per token in a 16-bit forward pass, one device, before any fitted factor.

    `layers`: what every layer keeps without checkpointing · `inputs`: the layers' inputs, all
    that checkpointing keeps · `largest`: the layer that keeps most · `logits`: elements per token.
    `score_heads`: heads of all layers whose n x n matrices exist without fused attention (those
    of the widest layer: `widest_heads`). `known`: counted, not guessed from the size.
    """

    layers: int
    inputs: int
    largest: int
    logits: int
    score_heads: int
    widest_heads: int
    count: int
    known: bool


def activation_shape(spec: ModelSpec, *, trains_mlp: bool = True) -> ActivationShape:
    """What a token keeps in the layers of a model.

    Counted by autograd's rule (an operation keeps the inputs its gradient needs) on the published
    model classes; for a Llama layer it gives 12 h + 4 q + 2 (k + v) + 8 ff bytes, i.e. the common
    16 h + 8 ff. A frozen MLP (`trains_mlp` False) keeps neither its input nor the product before
    its last matrix. An unknown shape is guessed from the parameter count.
    """
    facts, hidden = buffer_facts(spec), spec.hidden_size
    if not spec.layout or hidden is None:
        return _guess(spec, facts)
    blocks = [_block(block, hidden, facts, trains_mlp) for block in spec.blocks]
    heads = [_score_heads(block.attention) for block in spec.blocks]
    return ActivationShape(
        layers=sum(blocks[index] for index in spec.layout),
        inputs=2 * hidden * len(spec.layout),
        largest=max(blocks[index] for index in spec.layout),
        logits=facts.vocabulary,
        score_heads=sum(heads[index] for index in spec.layout),
        widest_heads=max(heads[index] for index in spec.layout),
        count=len(spec.layout),
        known=True,
    )


def _guess(spec: ModelSpec, facts: BufferFacts) -> ActivationShape:
    count = spec.stated_layers or _UNKNOWN_LAYERS
    layer = 16 * facts.hidden + 8 * facts.width
    return ActivationShape(
        layers=count * layer,
        inputs=2 * facts.hidden * count,
        largest=layer,
        logits=facts.vocabulary,
        score_heads=facts.heads * count,
        widest_heads=facts.heads,
        count=count,
        known=False,
    )


def _block(block: Block, hidden: int, facts: BufferFacts, trains_mlp: bool) -> int:
    """Norms keep their input in 32 bits; the two sublayers their input in 16."""
    norms = 4 * hidden * block.norms + 4 * hidden
    kept = norms + _mixer(block.attention, hidden) + _feed_forward(block, hidden, facts)
    return kept if trains_mlp else kept - _frozen(block, hidden)


def _frozen(block: Block, hidden: int) -> int:
    """What a dense MLP does not keep when its matrices are not trained."""
    feed_forward = block.feed_forward
    if not isinstance(feed_forward, DenseFeedForward):
        return 0
    return 2 * hidden + 2 * feed_forward.width


def _feed_forward(block: Block, hidden: int, facts: BufferFacts) -> int:
    feed_forward = block.feed_forward
    match feed_forward:
        case DenseFeedForward():
            return _mlp(feed_forward.width, feed_forward.gated)
        case ExpertsFeedForward():
            return _experts(feed_forward, hidden)
        case _:
            return 8 * facts.width if feed_forward.kind == "unknown" else 0


def _mlp(width: int, gated: bool) -> int:
    """Gate, its activation, up and product; without a gate the activation's input and output."""
    return (8 if gated else 4) * width


def _experts(moe: ExpertsFeedForward, hidden: int) -> int:
    """Per chosen expert its MLP and the gathered row in and out; router scores in 32 bits."""
    size = moe.latent_size or hidden
    chosen = moe.experts_per_token * (_mlp(moe.width, moe.gated) + 4 * size)
    beside = moe.shared_width + (moe.parallel_dense_width or 0)
    return chosen + _mlp(beside, moe.gated) + 8 * moe.experts


def _mixer(attention: Attention, hidden: int) -> int:
    match attention:
        case FullAttention() | SlidingAttention() | ChunkedAttention() | CrossAttention():
            return _softmax(attention)
        case LatentAttention():
            return _latent(attention)
        case LinearAttention():
            keys = attention.key_heads * attention.key_head_dim
            values = attention.value_heads * attention.value_head_dim
            state = attention.value_heads * attention.key_head_dim * attention.value_head_dim
            return 4 * (2 * keys + values) + 6 * values + 4 * state // _SCAN_CHUNK
        case StateSpace():
            return _state_space(attention)
        case ParallelMixers():
            return _softmax(attention.attention) + _mixer(attention.state_space, hidden)
        case EncoderAttention():
            return 8 * attention.query_heads * attention.head_dim
        case CompressedAttention():
            return 8 * attention.query_heads * attention.head_dim
        case _:
            return 0 if attention.kind == "none" else 12 * hidden


def _softmax(attention: _SoftmaxKinds) -> int:
    """Query, key, value and output in 16 bits; per-head norms keep 32-bit copies."""
    queries = attention.query_heads * attention.head_dim
    keys = attention.kv_heads * attention.head_dim
    values = attention.kv_heads * attention.value_dim
    found = 2 * (queries + keys + values + attention.query_heads * attention.value_dim)
    if attention.qk_norm != "none":
        found += 4 * (queries + keys)
    return found + (4 * queries if attention.output_gate else 0)


def _latent(attention: LatentAttention) -> int:
    """Training expands MLA to full heads; the compressed rows are kept twice (norm in 32 bits)."""
    heads = attention.query_heads
    wide = heads * (attention.nope_head_dim + attention.rope_head_dim)
    ranks = (attention.q_lora_rank or 0) + attention.kv_lora_rank + attention.rope_head_dim
    return 2 * (2 * wide + 2 * heads * attention.value_head_dim) + 6 * ranks


def _state_space(mixer: StateSpace) -> int:
    """Projection and convolution in 16 bits, the scan's kept states in 32."""
    inner, state = mixer.inner_size, mixer.state_size
    if mixer.version == 1:
        return 14 * inner + 4 * (mixer.dt_rank + 2 * state)
    channels = inner + 2 * mixer.groups * state
    return 4 * channels + 6 * inner + 4 * inner * state // 256


def _score_heads(attention: Attention) -> int:
    match attention:
        case FullAttention() | SlidingAttention() | ChunkedAttention() | CrossAttention():
            return attention.query_heads
        case LatentAttention() | EncoderAttention():
            return attention.query_heads
        case ParallelMixers():
            return attention.attention.query_heads
        case _:
            return 0
