"""Reads decoders in which some or all layers keep a constant state instead of a growing cache."""

from __future__ import annotations

from typing import Final

from whichweights_plugins.formats._config_decoder import (
    dense,
    experts_of,
    feed_forwards,
    full_attention,
    tied,
)
from whichweights_plugins.formats._config_fields import Fields, refuse
from whichweights_plugins.formats._config_shape import LanguageShape
from whichweights_plugins.formats._config_traits import Experts, Flag, Traits
from whichweights_plugins.formats._malformed import malformed
from whichweights_schemas.attention import (
    Attention,
    LinearAttention,
    NoAttention,
    ParallelMixers,
    RecurrentState,
    StateSpace,
)
from whichweights_schemas.models import Block, FeedForward, NoFeedForward

_ATTENTION: Final = Flag("attention_bias", False)
_MLP: Final = Flag("mlp_bias", False)

_QWEN_NEXT: Final = Traits(
    qkv_bias=_ATTENTION, output_bias=_ATTENTION, qk_norm="per_head", head_dim=256
)
_QWEN_EXPERTS: Final = Experts(
    shared_width="shared_expert_intermediate_size", shared_gate=True, sparse="step"
)


def read_qwen_next(fields: Fields) -> LanguageShape:
    """Qwen3-Next and Qwen3.5 to 3.8: Gated DeltaNet, every fourth layer full attention."""
    layers, hidden = fields.layers(), fields.integer("hidden_size")
    has_experts = fields.optional("num_experts", "n_routed_experts") or 0
    traits = Traits(experts=_QWEN_EXPERTS) if has_experts else Traits()
    full = full_attention(fields, _QWEN_NEXT, hidden).model_copy(
        update={"output_gate": fields.flag("attn_output_gate", True)}
    )
    linear = LinearAttention(
        key_heads=fields.integer("linear_num_key_heads"),
        value_heads=fields.integer("linear_num_value_heads"),
        key_head_dim=fields.integer("linear_key_head_dim"),
        value_head_dim=fields.integer("linear_value_head_dim"),
        conv_kernel=fields.integer("linear_conv_kernel_dim", default=4),
    )
    kinds = _kinds(fields, layers, {"linear_attention": False, "full_attention": True})
    if kinds is None:
        every = fields.integer("full_attention_interval", default=4) or 1
        kinds = tuple((index + 1) % every == 0 for index in range(layers))
    feed = feed_forwards(fields, traits, layers)
    blocks = [
        Block(attention=full if attends else linear, feed_forward=mlp)
        for attends, mlp in zip(kinds, feed, strict=True)
    ]
    return _language(fields, blocks, mtp_layers=fields.optional("mtp_num_hidden_layers") or 0)


def _language(
    fields: Fields,
    blocks: list[Block],
    *,
    is_tied: bool = False,
    mtp_layers: int = 0,
    unproved: str | None = None,
) -> LanguageShape:
    return LanguageShape(
        fields.integer("hidden_size"),
        fields.integer("vocab_size"),
        tied(fields, is_tied),
        tuple(blocks),
        mtp_layers=mtp_layers,
        unproved=unproved,
    )


def _kinds(fields: Fields, layers: int, attends: dict[str, bool]) -> tuple[bool, ...] | None:
    """Which layers attend, from a list of names; None where the config has no list."""
    for key in ("layer_types", "layers_block_type"):
        names = fields.texts(key)
        if names is None:
            continue
        if len(names) != layers or not set(names) <= set(attends):
            raise malformed(f"config.json: `{key}` does not name a kind for every layer")
        return tuple(attends[name] for name in names)
    return None


_NEMOTRON: Final = Traits(
    gated=False,
    qkv_bias=_ATTENTION,
    output_bias=_ATTENTION,
    mlp_bias=_MLP,
    experts=Experts(
        count="n_routed_experts",
        shared_width="moe_shared_expert_intermediate_size",
        router_bias=True,
    ),
)
_LETTERS: Final = {"mamba": "M", "attention": "*", "mlp": "-", "moe": "E"}


def read_nemotron_h(fields: Fields) -> LanguageShape:
    """Nemotron-H and Nemotron 3: a layer is a mixer or a feed-forward, never both."""
    layers = fields.layers()
    pattern = fields.text("hybrid_override_pattern")
    if pattern is None:
        names = fields.texts("layers_block_type")
        if names is None or not set(names) <= set(_LETTERS):
            raise refuse(fields, "does not say what each layer is")
        pattern = "".join(_LETTERS[name] for name in names)
    if len(pattern) != layers:
        raise malformed(f"config.json describes {len(pattern)} of {layers} layers")
    known = {letter: _nemotron_block(fields, letter) for letter in sorted(set(pattern))}
    return _language(
        fields,
        [known[letter] for letter in pattern],
        mtp_layers=fields.optional("num_nextn_predict_layers") or 0,
    )


def _nemotron_block(fields: Fields, letter: str) -> Block:
    attention: Attention = NoAttention()
    feed: FeedForward = NoFeedForward()
    match letter:
        case "M":
            heads = fields.integer("mamba_num_heads")
            attention = _mamba2(
                fields, heads, fields.integer("mamba_head_dim"), "ssm_state_size", "conv_kernel"
            )
        case "*":
            attention = full_attention(fields, _NEMOTRON, fields.integer("hidden_size"))
        case "-":
            feed = dense(fields, _NEMOTRON, fields.integer("intermediate_size"))
        case "E" if _NEMOTRON.experts is not None:
            latent = fields.optional("moe_latent_size")
            routed = experts_of(fields, _NEMOTRON, _NEMOTRON.experts)
            feed = routed.model_copy(update={"latent_size": latent or None})
        case _:
            raise refuse(fields, f"has a layer of the unknown kind {letter!r}")
    return Block(attention=attention, feed_forward=feed, norms=1)


def _mamba2(
    fields: Fields, heads: int, head_dim: int, state: str, kernel: str, *, gated_norm: bool = True
) -> StateSpace:
    for key in ("use_bias", "mamba_proj_bias"):
        if fields.switched(key):
            raise refuse(fields, f"has biases on its Mamba projections (`{key}`)")
    for key in ("use_conv_bias", "mamba_conv_bias"):
        if fields.raw(key) is False:
            raise refuse(fields, f"has no bias on its Mamba convolution (`{key}`)")
    return StateSpace(
        version=2,
        inner_size=heads * head_dim,
        state_size=fields.integer(state),
        conv_kernel=fields.integer(kernel),
        heads=heads,
        groups=fields.integer("mamba_n_groups", "n_groups"),
        gated_norm=gated_norm,
    )


_GRANITE: Final = Traits(qkv_bias=_ATTENTION, output_bias=_ATTENTION, kv_is_heads=True)


def read_granite_hybrid(fields: Fields) -> LanguageShape:
    """Granite 4: Mamba-2 and attention layers, each with an MLP or experts and a shared expert."""
    layers, hidden = fields.layers(), fields.integer("hidden_size")
    kinds = _kinds(fields, layers, {"mamba": False, "attention": True})
    if kinds is None:
        raise refuse(fields, "does not say which layers attend")
    mixers: dict[bool, Attention] = {}
    if True in kinds:
        mixers[True] = full_attention(fields, _GRANITE, hidden)
    if False in kinds:
        heads = fields.integer("mamba_n_heads")
        inner = hidden * fields.integer("mamba_expand", default=2)
        size = fields.raw("mamba_d_head")
        head_dim = inner // max(1, heads) if size == "auto" else fields.integer("mamba_d_head")
        mixers[False] = _mamba2(fields, heads, head_dim, "mamba_d_state", "mamba_d_conv")
    feed: FeedForward
    if fields.integer("num_local_experts"):
        moe = Experts(
            count="num_local_experts",
            width="intermediate_size",
            shared_width="shared_intermediate_size",
        )
        feed = experts_of(fields, _GRANITE, moe)
    else:
        feed = dense(fields, _GRANITE, fields.integer("shared_intermediate_size"))
    blocks = [Block(attention=mixers[attends], feed_forward=feed) for attends in kinds]
    return _language(fields, blocks)


def read_falcon_h1(fields: Fields) -> LanguageShape:
    """Falcon-H1: attention and Mamba-2 side by side in every layer."""
    traits = Traits(qkv_bias=_ATTENTION, output_bias=_ATTENTION, mlp_bias=_MLP)
    hidden, heads = fields.integer("hidden_size"), fields.integer("mamba_n_heads")
    inner = fields.optional("mamba_d_ssm")
    if inner is None:
        inner = hidden * fields.integer("mamba_expand", default=2)
    if heads == 0 or inner % heads:
        raise malformed("config.json: the Mamba heads do not divide the inner size")
    mamba = _mamba2(
        fields,
        heads,
        inner // heads,
        "mamba_d_state",
        "mamba_d_conv",
        gated_norm=fields.flag("mamba_rms_norm", False),
    )
    mixer = ParallelMixers(attention=full_attention(fields, traits, hidden), state_space=mamba)
    mlp = dense(fields, traits, fields.integer("intermediate_size"))
    return _language(fields, [Block(attention=mixer, feed_forward=mlp)] * fields.layers())


def read_jamba(fields: Fields) -> LanguageShape:
    """Jamba: Mamba-1 with norms on its inner rows, attention and experts at fixed periods."""
    layers, hidden = fields.layers(), fields.integer("hidden_size")
    inner = hidden * fields.integer("mamba_expand")
    rank = -(-hidden // 16) if fields.raw("mamba_dt_rank") == "auto" else None
    state = StateSpace(
        version=1,
        inner_size=inner,
        state_size=fields.integer("mamba_d_state"),
        conv_kernel=fields.integer("mamba_d_conv"),
        dt_rank=fields.integer("mamba_dt_rank") if rank is None else rank,
    )
    if fields.switched("mamba_proj_bias") or fields.raw("mamba_conv_bias") is False:
        raise refuse(fields, "changes the biases of its Mamba layers")
    attends = _periodic(fields, "attn_layer_period", "attn_layer_offset", layers)
    count = fields.integer("num_experts")
    sparse = _periodic(fields, "expert_layer_period", "expert_layer_offset", layers)
    attention = full_attention(fields, Traits(), hidden)
    mlp = dense(fields, Traits(), fields.integer("intermediate_size"))
    routed = experts_of(fields, Traits(), Experts(width="intermediate_size"))
    blocks = [
        Block(
            attention=attention if attends[index] else state,
            feed_forward=routed if count > 1 and sparse[index] else mlp,
            extra_parameters=0 if attends[index] else state.dt_rank + 2 * state.state_size,
        )
        for index in range(layers)
    ]
    return _language(fields, blocks)


def _periodic(fields: Fields, period: str, offset: str, layers: int) -> tuple[bool, ...]:
    every, first = fields.integer(period), fields.integer(offset)
    if every == 0:
        raise malformed(f"config.json: `{period}` is 0")
    return tuple(index % every == first for index in range(layers))


def read_lfm2(fields: Fields) -> LanguageShape:
    """LFM2: gated short convolutions, some layers attention; the 8B has experts."""
    layers, hidden = fields.layers(), fields.integer("hidden_size")
    kinds = _kinds(fields, layers, {"conv": False, "full_attention": True})
    if kinds is None:
        full = fields.integers("full_attn_idxs")
        if full is None:
            raise refuse(fields, "does not say which layers attend")
        kinds = tuple(index in full for index in range(layers))
    if fields.switched("conv_bias"):
        raise refuse(fields, "has biases on its convolutions")
    window = fields.integer("conv_L_cache")
    convolution = RecurrentState(
        flavour="short_convolution",
        state_bytes=2 * hidden * window,
        parameters=4 * hidden * hidden + hidden * window,
    )
    attention = full_attention(fields, Traits(qk_norm="per_head"), hidden)
    feed = _lfm2_feed_forwards(fields, layers)
    blocks = [
        Block(attention=attention if attends else convolution, feed_forward=mlp)
        for attends, mlp in zip(kinds, feed, strict=True)
    ]
    if not fields.says("tie_word_embeddings") and fields.says("tie_embedding"):
        is_tied = fields.flag("tie_embedding", True)
        return LanguageShape(hidden, fields.integer("vocab_size"), is_tied, tuple(blocks))
    return _language(fields, blocks, is_tied=True)


def _lfm2_feed_forwards(fields: Fields, layers: int) -> tuple[FeedForward, ...]:
    if fields.optional("num_experts"):
        moe = Experts(
            router_bias=Flag("use_expert_bias", True),
            sparse="first_dense",
            first_dense="num_dense_layers",
        )
        return feed_forwards(fields, Traits(experts=moe), layers)
    width = fields.integer("block_ff_dim", "intermediate_size")
    if fields.flag("block_auto_adjust_ff_dim", True):
        width = 2 * width // 3
        scale = fields.number("block_ffn_dim_multiplier")
        width = int(scale * width) if scale is not None else width
        step = max(1, fields.integer("block_multiple_of", default=256))
        width = -(-width // step) * step
    return (dense(fields, Traits(), width),) * layers


def read_mamba1(fields: Fields) -> LanguageShape:
    """Mamba and Falcon-Mamba: nothing but Mamba-1 blocks with one norm each."""
    hidden = fields.integer("hidden_size", "d_model")
    if fields.switched("use_bias") or fields.raw("use_conv_bias") is False:
        raise refuse(fields, "changes the biases of its Mamba layers")
    auto = fields.raw("time_step_rank") in (None, "auto")
    state = StateSpace(
        version=1,
        inner_size=fields.integer("intermediate_size", default=2 * hidden),
        state_size=fields.integer("state_size", default=16),
        conv_kernel=fields.integer("conv_kernel", default=4),
        dt_rank=-(-hidden // 16) if auto else fields.integer("time_step_rank"),
    )
    block = Block(attention=state, feed_forward=NoFeedForward(), norms=1)
    return _language(fields, [block] * fields.layers("num_hidden_layers", "n_layer"), is_tied=True)


def read_mamba2(fields: Fields) -> LanguageShape:
    """Mamba-2: nothing but Mamba-2 blocks with one norm each."""
    heads = fields.integer("num_heads")
    state = _mamba2(fields, heads, fields.integer("head_dim"), "state_size", "conv_kernel")
    block = Block(attention=state, feed_forward=NoFeedForward(), norms=1)
    return _language(fields, [block] * fields.layers())
