"""How many weights a LoRA trains: rank x (in + out) for each targeted matrix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from whichweights.planning.buffers import buffer_facts
from whichweights_schemas.attention import (
    Attention,
    ChunkedAttention,
    CrossAttention,
    EncoderAttention,
    FullAttention,
    LatentAttention,
    LinearAttention,
    ParallelMixers,
    RecurrentState,
    SlidingAttention,
    StateSpace,
)
from whichweights_schemas.deployment import LoraTargets
from whichweights_schemas.models import Block, DenseFeedForward, ExpertsFeedForward, ModelSpec

__all__ = ["Matrix", "adapter_parameters", "linear_matrices", "trained_embeddings"]

_SoftmaxKinds = FullAttention | SlidingAttention | ChunkedAttention | CrossAttention
Role = Literal["query", "value", "attention", "mlp", "experts"]

_ROLES: Final[dict[LoraTargets, frozenset[str]]] = {
    "query_value": frozenset({"query", "value"}),
    "attention": frozenset({"query", "value", "attention"}),
    "all_linear": frozenset({"query", "value", "attention", "mlp"}),
    "all_linear_and_experts": frozenset({"query", "value", "attention", "mlp", "experts"}),
    "all_linear_and_embeddings": frozenset({"query", "value", "attention", "mlp"}),
}
"""Routed experts are fused tensors in current model classes, and no linear layer to PEFT:
gpt-oss-20b at rank 8 on all linear layers trains 3,981,312 weights, those of its attention."""


class Matrix(NamedTuple):
    """A linear layer as the model class holds it; `copies` of the same shape."""

    role: Role
    inside: int
    outside: int
    copies: int = 1


def adapter_parameters(spec: ModelSpec, rank: int, targets: LoraTargets) -> int:
    """Trainable weights of the adapters, without embedding and head (`trained_embeddings`).

    Where the shape is unknown: layers x rank x (9 hidden + 3 width), good to some 10 % for
    grouped-query models.
    """
    roles, hidden = _ROLES[targets], spec.hidden_size
    if not spec.layout or hidden is None:
        facts = buffer_facts(spec)
        layers = spec.stated_layers or 32
        return layers * rank * (9 * facts.hidden + 3 * facts.width)
    per_block = [
        sum(
            rank * (matrix.inside + matrix.outside) * matrix.copies
            for matrix in linear_matrices(block, hidden)
            if matrix.role in roles
        )
        for block in spec.blocks
    ]
    return sum(per_block[index] for index in spec.layout)


def trained_embeddings(spec: ModelSpec, targets: LoraTargets) -> int:
    """Weights of embedding and head where they are trained in full beside the adapters, else 0."""
    if targets != "all_linear_and_embeddings":
        return 0
    return (1 if spec.tied_embeddings else 2) * (spec.vocab_size or 0) * (spec.hidden_size or 0)


def linear_matrices(block: Block, hidden: int) -> Iterator[Matrix]:
    """The linear layers of one block, as the Hugging Face model classes cut them."""
    yield from _mixer(block.attention, hidden)
    feed_forward = block.feed_forward
    match feed_forward:
        case DenseFeedForward():
            yield from _mlp("mlp", hidden, feed_forward.width, feed_forward.gated)
        case ExpertsFeedForward():
            yield from _experts(feed_forward, hidden)
        case _:
            return


def _mixer(attention: Attention, hidden: int) -> Iterator[Matrix]:
    match attention:
        case FullAttention() | SlidingAttention() | ChunkedAttention() | CrossAttention():
            yield from _softmax(attention, hidden)
        case LatentAttention():
            yield from _latent(attention, hidden)
        case LinearAttention():
            keys = attention.key_heads * attention.key_head_dim
            values = attention.value_heads * attention.value_head_dim
            yield Matrix("attention", hidden, 2 * keys + values)
            yield Matrix("attention", hidden, values)
            yield Matrix("attention", hidden, attention.value_heads, 2)
            yield Matrix("attention", values, hidden)
        case StateSpace():
            yield from _state_space(attention, hidden)
        case ParallelMixers():
            yield from _softmax(attention.attention, hidden)
            yield from _mixer(attention.state_space, hidden)
        case EncoderAttention():
            width = attention.query_heads * attention.head_dim
            yield Matrix("query", hidden, width)
            yield Matrix("value", hidden, width)
            yield Matrix("attention", hidden, width, 2)
        case RecurrentState():
            if attention.parameters:
                yield Matrix("attention", hidden, max(1, attention.parameters // hidden))
        case _:
            return


def _softmax(attention: _SoftmaxKinds, hidden: int) -> Iterator[Matrix]:
    queries = attention.query_heads * attention.head_dim * (2 if attention.output_gate else 1)
    yield Matrix("query", hidden, queries)
    if not attention.shares_kv:
        yield Matrix("attention", hidden, attention.kv_heads * attention.head_dim)
        if not attention.key_equals_value:
            yield Matrix("value", hidden, attention.kv_heads * attention.value_dim)
    yield Matrix("attention", attention.query_heads * attention.value_dim, hidden)


def _latent(attention: LatentAttention, hidden: int) -> Iterator[Matrix]:
    heads, rank = attention.query_heads, attention.kv_lora_rank
    queries = heads * (attention.nope_head_dim + attention.rope_head_dim)
    if attention.q_lora_rank:
        yield Matrix("query", hidden, attention.q_lora_rank)
        yield Matrix("query", attention.q_lora_rank, queries)
    else:
        yield Matrix("query", hidden, queries)
    yield Matrix("attention", hidden, rank + attention.rope_head_dim)
    yield Matrix("value", rank, heads * (attention.nope_head_dim + attention.value_head_dim))
    yield Matrix("attention", heads * attention.value_head_dim, hidden)


def _state_space(mixer: StateSpace, hidden: int) -> Iterator[Matrix]:
    inner, state = mixer.inner_size, mixer.state_size
    if mixer.version == 2:
        yield Matrix("attention", hidden, 2 * inner + 2 * mixer.groups * state + mixer.heads)
    else:
        yield Matrix("attention", hidden, 2 * inner)
        yield Matrix("attention", inner, mixer.dt_rank + 2 * state)
        yield Matrix("attention", mixer.dt_rank, inner)
    yield Matrix("attention", inner, hidden)


def _mlp(role: Role, size: int, width: int, gated: bool, copies: int = 1) -> Iterator[Matrix]:
    yield Matrix(role, size, width, (2 if gated else 1) * copies)
    yield Matrix(role, width, size, copies)


def _experts(moe: ExpertsFeedForward, hidden: int) -> Iterator[Matrix]:
    yield from _mlp("experts", moe.latent_size or hidden, moe.width, moe.gated, moe.experts)
    if moe.shared_width:
        yield from _mlp("mlp", hidden, moe.shared_width, moe.gated)
    if moe.parallel_dense_width:
        yield from _mlp("mlp", hidden, moe.parallel_dense_width, moe.gated)
    if moe.latent_size:
        yield Matrix("mlp", hidden, moe.latent_size)
        yield Matrix("mlp", moe.latent_size, hidden)
