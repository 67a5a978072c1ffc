"""The weight tensors of a model, named as llama.cpp names them, from its architecture alone.

The names decide the GGUF mixture; the shapes (row length first) decide the bytes in every format.
Matrices that a checkpoint stores joined and GGUF apart (or the other way) hold the same weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from whichweights.planning.formats.mixture import MixtureFacts, Tensor, is_70b_class
from whichweights_schemas.attention import (
    Attention,
    ChunkedAttention,
    CompressedAttention,
    CrossAttention,
    EncoderAttention,
    FullAttention,
    Indexer,
    LatentAttention,
    LinearAttention,
    NoAttention,
    ParallelMixers,
    RecurrentState,
    SlidingAttention,
    StateSpace,
)
from whichweights_schemas.models import (
    Block,
    DenseFeedForward,
    ExpertsFeedForward,
    FeedForward,
    ModelSpec,
    UnknownFeedForward,
)

__all__ = ["ModelTensors", "block_tensors", "gguf_architecture", "model_tensors"]

_SoftmaxKinds = FullAttention | SlidingAttention | ChunkedAttention | CrossAttention

_EMBEDDING_ROW: Final = 256
"""Row length given to whole-model tables of unknown shape (per-layer embeddings, Gemma 3n)."""

_TABLE_PARAMETERS: Final = 10_000_000
"""Whole-model extras above this are embedding tables, below it norms, scales and small vectors."""

_ARCHITECTURES: Final = (
    ("mamba", ""),
    ("llama4", "llama4"),
    ("llama", "llama"),
    ("mistralforcausal", "llama"),
    ("qwen2", "qwen2"),
    ("deci", "deci"),
    ("nemotron-nas", "deci"),
    ("olmo", "olmo"),
    ("jais2", "jais2"),
    ("falcon_h1", "falcon-h1"),
    ("falconh1", "falcon-h1"),
    ("falcon", "falcon"),
)
"""Only the names the mixture rule asks for (its 70B class and Falcon); the rest is irrelevant."""


@dataclass(frozen=True, slots=True)
class ModelTensors:
    """Tensors of the language part: one tuple per distinct block, and those outside the blocks.

    Names inside a block lack the "blk.<n>." prefix. `embedding` and `output` are the token
    embedding and the separate head (None when tied).
    """

    blocks: tuple[tuple[Tensor, ...], ...]
    layout: tuple[int, ...]
    embedding: Tensor
    output: Tensor | None
    others: tuple[Tensor, ...]
    facts: MixtureFacts

    @property
    def weights(self) -> int:
        """Number of weights in all these tensors."""
        sizes = [sum(tensor.elements for tensor in block) for block in self.blocks]
        ends = self.embedding.elements + (self.output.elements if self.output else 0)
        return (
            ends
            + sum(sizes[index] for index in self.layout)
            + sum(tensor.elements for tensor in self.others)
        )

    def named(self) -> Iterator[tuple[int, Tensor]]:
        """Every tensor under its full GGUF name, with its layer (-1 outside the blocks)."""
        yield -1, self.embedding
        if self.output is not None:
            yield -1, self.output
        for tensor in self.others:
            yield -1, tensor
        for layer, index in enumerate(self.layout):
            for tensor in self.blocks[index]:
                yield layer, tensor._replace(name=f"blk.{layer}.{tensor.name}")


def gguf_architecture(spec: ModelSpec) -> str:
    """GGUF's general.architecture as far as the mixture rule needs it; "" for all others."""
    name = (spec.architecture or "").lower()
    return next((found for part, found in _ARCHITECTURES if part in name), "")


def model_tensors(spec: ModelSpec) -> ModelTensors | None:
    """The tensors of a model; None when its shape is not known well enough to list them."""
    hidden, vocabulary = spec.hidden_size, spec.vocab_size
    if not (spec.layout and hidden and vocabulary) or spec.tied_embeddings is None:
        return None
    if any(gap.field == "extra_parameters" for gap in spec.unknown):
        return None
    blocks = [block_tensors(block, hidden) for block in spec.blocks]
    known = [block for block in blocks if block is not None]
    if len(known) != len(blocks):
        return None
    output = None
    if not spec.tied_embeddings and spec.blocks[0].attention.kind != "encoder":
        output = Tensor("output.weight", (hidden, vocabulary))
    return ModelTensors(
        tuple(known),
        spec.layout,
        Tensor("token_embd.weight", (hidden, vocabulary)),
        output,
        tuple(_outside_blocks(spec, hidden, vocabulary)),
        _facts(spec),
    )


def _outside_blocks(spec: ModelSpec, hidden: int, vocabulary: int) -> Iterator[Tensor]:
    if spec.final_norm:
        yield Tensor("output_norm.weight", (hidden,))
        if any(block.norm_bias for block in spec.blocks):
            yield Tensor("output_norm.bias", (hidden,))
    if spec.lm_head_bias:
        yield Tensor("output.bias", (vocabulary,))
    if spec.learned_positions:
        yield Tensor("position_embd.weight", (hidden, spec.learned_positions))
    extra = spec.extra_parameters
    if extra >= _TABLE_PARAMETERS and extra % _EMBEDDING_ROW == 0:
        shape = (_EMBEDDING_ROW, extra // _EMBEDDING_ROW)
        yield Tensor("per_layer_token_embd.weight", shape)
    elif extra:
        yield Tensor("extra.weight", (extra,))


def _facts(spec: ModelSpec) -> MixtureFacts:
    layers = len(spec.layout)
    experts = max(
        (
            block.feed_forward.experts
            for block in spec.blocks
            if isinstance(block.feed_forward, ExpertsFeedForward)
        ),
        default=0,
    )
    n_gqa = _gqa(spec.blocks[spec.layout[0]].attention)
    name = gguf_architecture(spec)
    return MixtureFacts(layers, n_gqa, experts, name, is_70b_class(name, layers, n_gqa))


def _gqa(attention: Attention) -> int:
    """Heads / KV heads of layer 0; 0 when it has none. An MLA header has one KV head."""
    match attention:
        case FullAttention() | SlidingAttention() | ChunkedAttention() | CrossAttention():
            return attention.query_heads // max(1, attention.kv_heads)
        case LatentAttention() | CompressedAttention():
            return attention.query_heads
        case ParallelMixers():
            return attention.attention.query_heads // max(1, attention.attention.kv_heads)
        case EncoderAttention():
            return 1
        case _:
            return 0


def block_tensors(block: Block, hidden: int) -> tuple[Tensor, ...] | None:
    """The tensors of one kind of layer; None when its mixer's layout is not known."""
    mixer = _mixer(block.attention, hidden)
    if mixer is None or isinstance(block.feed_forward, UnknownFeedForward):
        return None
    rest = [*_norms(block, hidden), *_feed_forward(block.feed_forward, hidden)]
    if block.extra_parameters:
        rest.append(Tensor("extra.weight", (block.extra_parameters,)))
    return (*mixer, *rest)


def _norms(block: Block, hidden: int) -> Iterator[Tensor]:
    for index in range(block.norms):
        yield Tensor(f"norm{index}_norm.weight", (hidden,))
        if block.norm_bias:
            yield Tensor(f"norm{index}_norm.bias", (hidden,))


def _linear(name: str, rows: int, columns: int, bias: bool = False) -> Iterator[Tensor]:
    yield Tensor(f"{name}.weight", (rows, columns))
    if bias:
        yield Tensor(f"{name}.bias", (columns,))


def _mixer(attention: Attention, hidden: int) -> tuple[Tensor, ...] | None:
    match attention:
        case FullAttention() | SlidingAttention() | ChunkedAttention() | CrossAttention():
            return tuple(_softmax(attention, hidden))
        case LatentAttention():
            return tuple(_latent(attention, hidden))
        case LinearAttention():
            return tuple(_linear_attention(attention, hidden))
        case StateSpace():
            return tuple(_state_space(attention, hidden))
        case ParallelMixers():
            beside = _mixer(attention.state_space, hidden)
            return None if beside is None else (*_softmax(attention.attention, hidden), *beside)
        case EncoderAttention():
            return tuple(_encoder(attention, hidden))
        case RecurrentState():
            count = attention.parameters
            return None if count is None else _lump(count, hidden)
        case NoAttention():
            return ()
        case CompressedAttention():
            return None


def _lump(count: int, hidden: int) -> tuple[Tensor, ...]:
    """A mixer of which only the size is known, as one matrix and what is left over."""
    rows, rest = divmod(count, hidden)
    found = [Tensor("mixer.weight", (hidden, rows))] if rows else []
    return (*found, Tensor("mixer_rest.weight", (rest,))) if rest else tuple(found)


def _softmax(attention: _SoftmaxKinds, hidden: int) -> Iterator[Tensor]:
    heads, groups, size = attention.query_heads, attention.kv_heads, attention.head_dim
    queries = heads * size * (2 if attention.output_gate else 1)
    yield from _linear("attn_q", hidden, queries, attention.qkv_bias)
    yield from _linear("attn_k", hidden, groups * size, attention.qkv_bias)
    if not attention.key_equals_value:
        yield from _linear("attn_v", hidden, groups * attention.value_dim, attention.qkv_bias)
    yield from _linear("attn_output", heads * attention.value_dim, hidden, attention.output_bias)
    if attention.qk_norm != "none":
        whole = attention.qk_norm == "full"
        yield Tensor("attn_q_norm.weight", (size * heads if whole else size,))
        yield Tensor("attn_k_norm.weight", (size * groups if whole else size,))
    if attention.sinks:
        yield Tensor("attn_sinks.weight", (heads,))


def _encoder(attention: EncoderAttention, hidden: int) -> Iterator[Tensor]:
    width = attention.query_heads * attention.head_dim
    for name in ("attn_q", "attn_k", "attn_v"):
        yield from _linear(name, hidden, width, attention.bias)
    yield from _linear("attn_output", width, hidden, attention.bias)


def _latent(attention: LatentAttention, hidden: int) -> Iterator[Tensor]:
    heads, rank, rope = attention.query_heads, attention.kv_lora_rank, attention.rope_head_dim
    queries = heads * (attention.nope_head_dim + rope)
    if attention.q_lora_rank:
        yield Tensor("attn_q_a.weight", (hidden, attention.q_lora_rank))
        yield Tensor("attn_q_a_norm.weight", (attention.q_lora_rank,))
        yield Tensor("attn_q_b.weight", (attention.q_lora_rank, queries))
    else:
        yield Tensor("attn_q.weight", (hidden, queries))
    yield Tensor("attn_kv_a_mqa.weight", (hidden, rank + rope))
    yield Tensor("attn_kv_a_norm.weight", (rank,))
    yield Tensor("attn_k_b.weight", (attention.nope_head_dim, rank, heads))
    yield Tensor("attn_v_b.weight", (rank, attention.value_head_dim, heads))
    yield Tensor("attn_output.weight", (heads * attention.value_head_dim, hidden))
    if attention.output_gate:
        yield Tensor("attn_gate.weight", (hidden, heads * attention.value_head_dim))
    if attention.indexer is not None:
        yield from _indexer(attention.indexer, attention.q_lora_rank or hidden, hidden)


def _indexer(indexer: Indexer, query_rows: int, hidden: int) -> Iterator[Tensor]:
    yield Tensor("indexer.q_b.weight", (query_rows, indexer.heads * indexer.head_dim))
    yield Tensor("indexer.key.weight", (hidden, indexer.head_dim))
    yield Tensor("indexer.proj.weight", (hidden, indexer.heads))
    yield Tensor("indexer.k_norm.weight", (indexer.head_dim,))
    yield Tensor("indexer.k_norm.bias", (indexer.head_dim,))


def _linear_attention(attention: LinearAttention, hidden: int) -> Iterator[Tensor]:
    keys = attention.key_heads * attention.key_head_dim
    values = attention.value_heads * attention.value_head_dim
    if attention.flavour == "kimi_delta":
        yield from _kimi_delta(attention, keys, values, hidden)
        return
    yield Tensor("attn_qkv.weight", (hidden, 2 * keys + values))
    yield Tensor("attn_gate.weight", (hidden, values))
    yield Tensor("ssm_ba.weight", (hidden, 2 * attention.value_heads))
    yield Tensor("ssm_conv1d.weight", (attention.conv_kernel, 2 * keys + values))
    yield Tensor("ssm_dt.bias", (attention.value_heads,))
    yield Tensor("ssm_a", (attention.value_heads,))
    yield Tensor("ssm_norm.weight", (attention.value_head_dim,))
    yield Tensor("ssm_out.weight", (values, hidden))


def _kimi_delta(
    attention: LinearAttention, keys: int, values: int, hidden: int
) -> Iterator[Tensor]:
    rank = attention.value_head_dim
    for name, width in (("attn_q", keys), ("attn_k", keys), ("attn_v", values)):
        yield Tensor(f"{name}.weight", (hidden, width))
        yield Tensor(f"ssm_conv1d_{name[-1]}.weight", (attention.conv_kernel, width))
    for name, width in (("ssm_f", keys), ("ssm_g", values)):
        yield Tensor(f"{name}_a.weight", (hidden, rank))
        yield Tensor(f"{name}_b.weight", (rank, width))
    yield Tensor("ssm_beta.weight", (hidden, attention.value_heads))
    yield Tensor("ssm_a", (attention.value_heads,))
    yield Tensor("ssm_dt.bias", (keys,))
    yield Tensor("ssm_norm.weight", (attention.value_head_dim,))
    yield Tensor("attn_output.weight", (values, hidden))


def _state_space(mixer: StateSpace, hidden: int) -> Iterator[Tensor]:
    inner, state = mixer.inner_size, mixer.state_size
    if mixer.version == 2:
        channels = inner + 2 * mixer.groups * state
        yield Tensor("ssm_in.weight", (hidden, inner + channels + mixer.heads))
        yield Tensor("ssm_conv1d.weight", (mixer.conv_kernel, channels))
        yield Tensor("ssm_conv1d.bias", (channels,))
        for name in ("ssm_dt.bias", "ssm_a", "ssm_d"):
            yield Tensor(name, (mixer.heads,))
        if mixer.gated_norm:
            yield Tensor("ssm_norm.weight", (inner,))
    else:
        yield Tensor("ssm_in.weight", (hidden, 2 * inner))
        yield Tensor("ssm_conv1d.weight", (mixer.conv_kernel, inner))
        yield Tensor("ssm_conv1d.bias", (inner,))
        yield Tensor("ssm_x.weight", (inner, mixer.dt_rank + 2 * state))
        yield from _linear("ssm_dt", mixer.dt_rank, inner, bias=True)
        yield Tensor("ssm_a", (state, inner))
        yield Tensor("ssm_d", (inner,))
    yield Tensor("ssm_out.weight", (inner, hidden))


def _feed_forward(feed_forward: FeedForward, hidden: int) -> Iterator[Tensor]:
    match feed_forward:
        case DenseFeedForward():
            yield from _mlp("", hidden, feed_forward.width, feed_forward.gated, feed_forward.bias)
        case ExpertsFeedForward():
            yield from _experts(feed_forward, hidden)
        case _:
            return


def _mlp(suffix: str, hidden: int, width: int, gated: bool, bias: bool = False) -> Iterator[Tensor]:
    if gated:
        yield from _linear(f"ffn_gate{suffix}", hidden, width, bias)
    yield from _linear(f"ffn_up{suffix}", hidden, width, bias)
    yield from _linear(f"ffn_down{suffix}", width, hidden, bias)


def _experts(moe: ExpertsFeedForward, hidden: int) -> Iterator[Tensor]:
    size, count, width = moe.latent_size or hidden, moe.experts, moe.width
    yield Tensor("ffn_gate_inp.weight", (hidden, count))
    if moe.router_bias:
        yield Tensor("exp_probs_b.bias", (count,))
    names = ("gate", "up") if moe.gated else ("up",)
    for name in names:
        yield Tensor(f"ffn_{name}_exps.weight", (size, width, count))
    yield Tensor("ffn_down_exps.weight", (width, size, count))
    if moe.expert_bias:
        yield Tensor("ffn_exps.bias", (count * (len(names) * width + size),))
    if moe.latent_size:
        yield Tensor("ffn_latent_down.weight", (hidden, moe.latent_size))
        yield Tensor("ffn_latent_up.weight", (moe.latent_size, hidden))
    if moe.shared_width:
        yield from _mlp("_shexp", hidden, moe.shared_width, moe.gated)
    if moe.shared_gate:
        yield Tensor("ffn_gate_inp_shexp.weight", (hidden,))
    if moe.parallel_dense_width:
        yield from _mlp("", hidden, moe.parallel_dense_width, moe.gated)
