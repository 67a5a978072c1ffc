"""Counts the weights of a model from its architecture, part by part.

The identities are those of the published model classes (config.json and the modules it configures);
tests reproduce with them, to the integer, the totals the Hub counts from safetensors headers.
"""

from __future__ import annotations

from dataclasses import dataclass

from whichweights_schemas.attention import (
    Attention,
    ChunkedAttention,
    CompressedAttention,
    CrossAttention,
    EncoderAttention,
    FullAttention,
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
    NoFeedForward,
)

_SoftmaxAttention = FullAttention | SlidingAttention | ChunkedAttention | CrossAttention


@dataclass(frozen=True, slots=True)
class LayerParameters:
    """Weights of one layer by part; the parts add up to `total`.

    `attention` is whatever mixes tokens, with its biases and inner norms; `shared_experts` holds
    the projections around latent experts too. `linear` = the matrices that weight-only formats
    quantize (no router, bias, norm, convolution or decay); `active` = what one token touches.
    """

    attention: int
    dense_mlp: int
    routed_experts: int
    shared_experts: int
    router: int
    norms: int
    other: int
    linear: int
    active: int

    @property
    def total(self) -> int:
        """All weights of the layer."""
        mlp = self.dense_mlp + self.routed_experts + self.shared_experts + self.router
        return self.attention + mlp + self.norms + self.other


@dataclass(frozen=True, slots=True)
class ParameterBreakdown:
    """Weights of a whole model by part. Language part only, unless a field says otherwise.

    `blocks` holds one entry for each block of the spec, `layout` which of them each layer is.
    `lm_head` is 0 when the embedding serves as head. `norms` includes the final one, `other` what
    the spec calls extra. `vision` and `mtp` are echoed from the spec, never computed.
    """

    embedding: int
    positions: int
    lm_head: int
    final_norm: int
    extra: int
    blocks: tuple[LayerParameters, ...]
    layout: tuple[int, ...]
    vision: int | None
    mtp: int | None

    @property
    def layers(self) -> tuple[LayerParameters, ...]:
        """The layers in order."""
        return tuple(self.blocks[index] for index in self.layout)

    @property
    def attention(self) -> int:
        """Everything that mixes tokens, all layers."""
        return sum(layer.attention for layer in self.layers)

    @property
    def dense_mlp(self) -> int:
        """MLPs outside the experts, all layers."""
        return sum(layer.dense_mlp for layer in self.layers)

    @property
    def routed_experts(self) -> int:
        """All routed experts, all layers."""
        return sum(layer.routed_experts for layer in self.layers)

    @property
    def shared_experts(self) -> int:
        """Experts every token passes, all layers."""
        return sum(layer.shared_experts for layer in self.layers)

    @property
    def router(self) -> int:
        """Routers and gates of the experts, all layers."""
        return sum(layer.router for layer in self.layers)

    @property
    def norms(self) -> int:
        """Norms between the parts, with the final one."""
        return self.final_norm + sum(layer.norms for layer in self.layers)

    @property
    def other(self) -> int:
        """What the spec calls extra, in layers and outside."""
        return self.extra + sum(layer.other for layer in self.layers)

    @property
    def linear_parameters(self) -> int:
        """The matrices weight-only formats quantize; the rest usually stays in 16 bits."""
        return sum(layer.linear for layer in self.layers)

    @property
    def unquantized_parameters(self) -> int:
        """What such a format leaves alone: embedding, head, norms, biases, routers, the like."""
        return self.total_language - self.linear_parameters

    @property
    def total_language(self) -> int:
        """All weights without vision tower and multi-token-prediction layers."""
        return self._outside_layers + sum(layer.total for layer in self.layers)

    @property
    def active(self) -> int:
        """Weights one token touches, embedding and head included (makers often leave the embedding
        out: gpt-oss-120b is 5.71 B here, 5.1 B in its maker's words)."""
        return self._outside_layers + sum(layer.active for layer in self.layers)

    @property
    def _outside_layers(self) -> int:
        return self.embedding + self.positions + self.lm_head + self.final_norm + self.extra


def count_parameters(spec: ModelSpec) -> ParameterBreakdown | None:
    """The weights of a model from its architecture, in whole weights.

    None when the shape is not known well enough: no layers, an unknown feed-forward or mixer, or
    `unknown` naming `extra_parameters`. Source: config.json and model classes of the makers; proved
    against the Hub's safetensors counts (288 of 371 models equal to the integer, 2026-11).
    """
    hidden, vocab, tied = spec.hidden_size, spec.vocab_size, spec.tied_embeddings
    if hidden is None or vocab is None or tied is None or not spec.layout:
        return None
    if any(gap.field == "extra_parameters" for gap in spec.unknown):
        return None
    blocks: list[LayerParameters] = []
    for block in spec.blocks:
        counted = count_block(block, hidden)
        if counted is None:
            return None
        blocks.append(counted)
    norm_bias = spec.blocks[spec.layout[-1]].norm_bias
    return ParameterBreakdown(
        embedding=vocab * hidden,
        positions=spec.learned_positions * hidden,
        lm_head=(0 if tied else vocab * hidden) + (vocab if spec.lm_head_bias else 0),
        final_norm=_norm(hidden, norm_bias) if spec.final_norm else 0,
        extra=spec.extra_parameters,
        blocks=tuple(blocks),
        layout=spec.layout,
        vision=spec.parameters.vision,
        mtp=spec.parameters.mtp,
    )


def count_block(block: Block, hidden: int) -> LayerParameters | None:
    """The weights of one layer; None when its mixer or feed-forward is not known."""
    mixer = _mixer(block.attention, hidden)
    feed_forward = _feed_forward(block.feed_forward, hidden)
    if mixer is None or feed_forward is None:
        return None
    norms = block.norms * _norm(hidden, block.norm_bias)
    always = mixer.total + norms + block.extra_parameters
    return LayerParameters(
        attention=mixer.total,
        dense_mlp=feed_forward.dense,
        routed_experts=feed_forward.routed,
        shared_experts=feed_forward.shared,
        router=feed_forward.router,
        norms=norms,
        other=block.extra_parameters,
        linear=mixer.linear + feed_forward.linear,
        active=always + feed_forward.active,
    )


@dataclass(frozen=True, slots=True)
class _Mixer:
    linear: int = 0
    other: int = 0

    @property
    def total(self) -> int:
        return self.linear + self.other


@dataclass(frozen=True, slots=True)
class _FeedForward:
    dense: int = 0
    routed: int = 0
    shared: int = 0
    router: int = 0
    linear: int = 0
    idle: int = 0

    @property
    def active(self) -> int:
        return self.dense + self.routed + self.shared + self.router - self.idle


def _norm(width: int, bias: bool) -> int:
    return 2 * width if bias else width


def _mixer(attention: Attention, hidden: int) -> _Mixer | None:
    match attention:
        case FullAttention() | SlidingAttention() | ChunkedAttention() | CrossAttention():
            return _softmax(attention, hidden)
        case LatentAttention():
            return _latent(attention, hidden)
        case LinearAttention():
            return _gated_deltanet(attention, hidden)
        case StateSpace():
            return _state_space(attention, hidden)
        case EncoderAttention():
            width = attention.query_heads * attention.head_dim
            return _Mixer(4 * hidden * width, 3 * width + hidden if attention.bias else 0)
        case RecurrentState():
            known = attention.parameters
            return None if known is None else _Mixer(other=known)
        case ParallelMixers():
            return _parallel(attention, hidden)
        case NoAttention():
            return _Mixer()
        case CompressedAttention():
            return None  # no published count closes with its projections


def _softmax(attention: _SoftmaxAttention, hidden: int) -> _Mixer:
    """Query, key, value and output projections. A gate on the output doubles the query matrix."""
    query = attention.query_heads * attention.head_dim
    key = attention.kv_heads * attention.head_dim
    value = attention.kv_heads * attention.value_dim
    output = attention.query_heads * attention.value_dim
    stored = key if attention.key_equals_value else key + value
    linear = hidden * (query * (2 if attention.output_gate else 1) + stored + output)
    other = (query + stored) if attention.qkv_bias else 0
    other += hidden if attention.output_bias else 0
    other += attention.query_heads if attention.sinks else 0
    match attention.qk_norm:
        case "per_head":
            other += 2 * attention.head_dim
        case "full":
            other += query + key
        case "none":
            pass
    return _Mixer(linear, other)


def _latent(attention: LatentAttention, hidden: int) -> _Mixer | None:
    """MLA: compressed query (optional) and key/value, each with a norm on the compressed row."""
    if attention.output_gate:
        return None  # shape of the gate is not published
    heads, rank = attention.query_heads, attention.kv_lora_rank
    query_dim = heads * (attention.nope_head_dim + attention.rope_head_dim)
    query_rank = attention.q_lora_rank
    if query_rank is None:
        linear, other = hidden * query_dim, 0
    else:
        linear, other = query_rank * (hidden + query_dim), query_rank
    linear += hidden * (rank + attention.rope_head_dim)
    linear += rank * heads * (attention.nope_head_dim + attention.value_head_dim)
    linear += heads * attention.value_head_dim * hidden
    other += rank
    if attention.indexer is not None:
        index_heads, index_dim = attention.indexer.heads, attention.indexer.head_dim
        linear += (query_rank or hidden) * index_heads * index_dim
        linear += hidden * (index_dim + index_heads)
        other += 2 * index_dim
    return _Mixer(linear, other)


def _gated_deltanet(attention: LinearAttention, hidden: int) -> _Mixer | None:
    """Gated DeltaNet as in Qwen3-Next; the projections of Kimi delta attention are not proved."""
    if attention.flavour != "gated_deltanet":
        return None
    heads = attention.value_heads
    key = attention.key_heads * attention.key_head_dim
    value = heads * attention.value_head_dim
    linear = hidden * (2 * key + 2 * value) + 2 * hidden * heads + value * hidden
    convolution = (2 * key + value) * attention.conv_kernel
    return _Mixer(linear, convolution + 2 * heads + attention.value_head_dim)


def _state_space(mixer: StateSpace, hidden: int) -> _Mixer:
    """Mamba-1 and Mamba-2, with a bias on the convolution."""
    inner, state = mixer.inner_size, mixer.state_size
    if mixer.version == 1:
        linear = 2 * hidden * inner + inner * (mixer.dt_rank + 2 * state)
        linear += mixer.dt_rank * inner + inner * hidden
        return _Mixer(linear, inner * (mixer.conv_kernel + 1) + inner + inner * state + inner)
    shared = 2 * mixer.groups * state
    linear = hidden * (2 * inner + shared + mixer.heads) + inner * hidden
    norm = inner if mixer.gated_norm else 0
    return _Mixer(linear, (inner + shared) * (mixer.conv_kernel + 1) + 3 * mixer.heads + norm)


def _parallel(attention: ParallelMixers, hidden: int) -> _Mixer | None:
    softmax = _mixer(attention.attention, hidden)
    state = _mixer(attention.state_space, hidden)
    if softmax is None or state is None:
        return None
    return _Mixer(softmax.linear + state.linear, softmax.other + state.other)


def _feed_forward(feed_forward: FeedForward, hidden: int) -> _FeedForward | None:
    match feed_forward:
        case DenseFeedForward():
            linear = _mlp(hidden, feed_forward.width, feed_forward.gated)
            bias = _mlp_bias(hidden, feed_forward.width, feed_forward.gated)
            return _FeedForward(dense=linear + (bias if feed_forward.bias else 0), linear=linear)
        case ExpertsFeedForward():
            return _experts(feed_forward, hidden)
        case NoFeedForward():
            return _FeedForward()
        case _:
            return None


def _experts(moe: ExpertsFeedForward, hidden: int) -> _FeedForward:
    inside = moe.latent_size or hidden
    matrices = _mlp(inside, moe.width, moe.gated)
    one = matrices + (_mlp_bias(inside, moe.width, moe.gated) if moe.expert_bias else 0)
    shared = _mlp(hidden, moe.shared_width, moe.gated)
    shared += 2 * hidden * moe.latent_size if moe.latent_size else 0
    dense = _mlp(hidden, moe.parallel_dense_width or 0, moe.gated)
    router = hidden * moe.experts + (moe.experts if moe.router_bias else 0)
    return _FeedForward(
        dense=dense,
        routed=moe.experts * one,
        shared=shared,
        router=router + (hidden if moe.shared_gate else 0),
        linear=moe.experts * matrices + shared + dense,
        idle=(moe.experts - moe.experts_per_token) * one,
    )


def _mlp(hidden: int, width: int, gated: bool) -> int:
    return (3 if gated else 2) * hidden * width


def _mlp_bias(hidden: int, width: int, gated: bool) -> int:
    return (2 if gated else 1) * width + hidden
