"""Reads decoders whose layers are softmax attention and an MLP or a mixture of experts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from whichweights_plugins.formats._config_fields import Fields, refuse
from whichweights_plugins.formats._config_shape import LanguageShape
from whichweights_plugins.formats._config_traits import Experts, Flag, Traits
from whichweights_plugins.formats._malformed import malformed
from whichweights_schemas.attention import (
    ChunkedAttention,
    FullAttention,
    SlidingAttention,
)
from whichweights_schemas.models import (
    Block,
    DenseFeedForward,
    ExpertsFeedForward,
    FeedForward,
)

__all__ = [
    "dense",
    "experts_of",
    "feed_forwards",
    "full_attention",
    "read_decoder",
    "tied",
    "windowed_layers",
]

LayerKind = Literal["full", "sliding", "chunked"]

_KINDS: Final[dict[str, LayerKind]] = {
    "full_attention": "full",
    "attention": "full",
    "global": "full",
    "sliding_attention": "sliding",
    "local": "sliding",
    "chunked_attention": "chunked",
}


def read_decoder(fields: Fields, traits: Traits) -> LanguageShape:
    """The shape of a decoder of a known class.

    Raises:
        UnsupportedArchitecture: a field without a certain default is missing, or a switch changes
            the shape in a way that is not understood.
        MalformedFile: a field has a senseless value.
    """
    _refuse_unknown_switches(fields)
    hidden, layers = fields.integer("hidden_size"), fields.layers("num_hidden_layers", "num_layers")
    kinds = windowed_layers(fields, traits, layers)
    mixers = {kind: _mixer(fields, traits, kind, hidden) for kind in set(kinds)}
    feed = feed_forwards(fields, traits, layers)
    known: dict[tuple[LayerKind, FeedForward], Block] = {}
    blocks: list[Block] = []
    for index, kind in enumerate(kinds):
        key = (kind, feed[index])
        if key not in known:
            known[key] = Block(
                attention=mixers[kind],
                feed_forward=feed[index],
                norms=_norms(fields, traits),
                norm_bias=traits.norm_bias,
                extra_parameters=traits.extra_per_layer,
            )
        blocks.append(known[key])
    return LanguageShape(
        hidden,
        fields.integer("vocab_size"),
        tied(fields, traits.tied),
        tuple(blocks),
        lm_head_bias=switch(fields, traits.lm_head_bias),
        final_norm=traits.final_norm,
        mtp_layers=fields.optional("num_nextn_predict_layers", "mtp_num_hidden_layers") or 0,
    )


def _refuse_unknown_switches(fields: Fields) -> None:
    """Options of these classes that add tensors nobody here counts."""
    if fields.switched("qk_layernorm") or fields.switched("attn_qk_norm"):
        raise refuse(fields, "normalises queries and keys in a way whose weights are not known")


def tied(fields: Fields, default: bool) -> bool:
    """Whether the embedding serves as head."""
    return fields.flag("tie_word_embeddings", default)


def switch(fields: Fields, value: bool | Flag) -> bool:
    """A trait that is fixed by the class, or read from the config."""
    return value if isinstance(value, bool) else fields.flag(*value)


def _norms(fields: Fields, traits: Traits) -> int:
    return 1 if fields.switched("use_parallel_residual") else traits.norms


def windowed_layers(fields: Fields, traits: Traits, layers: int) -> tuple[LayerKind, ...]:
    """Which layers see everything, a window or a chunk."""
    if traits.chunked:
        return _chunked_layers(fields, layers)
    if traits.windows == "never" or _window(fields, traits) is None:
        return ("full",) * layers
    stated = fields.texts("layer_types")
    if stated is not None:
        return _stated_layers(fields, stated, layers)
    match traits.windows:
        case "always":
            return ("sliding",) * layers
        case "flagged":
            first = fields.integer("max_window_layers", default=layers)
            return tuple("sliding" if index >= first else "full" for index in range(layers))
        case _:
            return _pattern(fields, traits, layers)


def _window(fields: Fields, traits: Traits) -> int | None:
    """Tokens of the window; None where there is none, or one no sequence reaches."""
    if traits.windows == "flagged" and not fields.switched("use_sliding_window"):
        return None
    window = fields.optional("sliding_window", "window_size")
    if window is None and not fields.says("sliding_window") and traits.window is not None:
        window = fields.integer("sliding_window", default=traits.window)
    context = fields.optional("max_position_embeddings")
    if window is None or (context is not None and window >= context):
        return None
    return window


def _stated_layers(fields: Fields, stated: tuple[str, ...], layers: int) -> tuple[LayerKind, ...]:
    if len(stated) != layers:
        raise malformed(f"config.json: `layer_types` has {len(stated)} entries, not {layers}")
    unknown = sorted(set(stated) - set(_KINDS))
    if unknown:
        raise refuse(fields, f"has layers of an unknown kind ({unknown[0][:40]})")
    return tuple(_KINDS[name] for name in stated)


def _pattern(fields: Fields, traits: Traits, layers: int) -> tuple[LayerKind, ...]:
    """Every n-th layer is full: given as a number, as letters ("LLLG"), or by the class."""
    for key in ("sliding_window_pattern", "_sliding_window_pattern"):
        if isinstance(fields.raw(key), str):
            letters = fields.text(key) or ""
            if not letters or set(letters) - {"L", "G"}:
                raise refuse(fields, "has a window pattern that is not understood")
            last_is_full = {layers - 1}
            return tuple(
                "full"
                if letters[index % len(letters)] == "G" or index in last_is_full
                else "sliding"
                for index in range(layers)
            )
    default = traits.pattern or None
    every = fields.integer("sliding_window_pattern", "_sliding_window_pattern", default=default)
    if every < 1:
        raise malformed("config.json: `sliding_window_pattern` is 0")
    return tuple("full" if (index + 1) % every == 0 else "sliding" for index in range(layers))


def _chunked_layers(fields: Fields, layers: int) -> tuple[LayerKind, ...]:
    """Llama 4: layers with rotary positions see a chunk, the others (NoPE) everything."""
    if fields.optional("attention_chunk_size") is None and fields.says("attention_chunk_size"):
        return ("full",) * layers
    stated = fields.texts("layer_types")
    if stated is not None:
        return _stated_layers(fields, stated, layers)
    rotary = fields.integers("no_rope_layers")
    if rotary:
        if len(rotary) != layers:
            raise malformed(f"config.json: `no_rope_layers` has {len(rotary)} entries")
        return tuple("chunked" if flag else "full" for flag in rotary)
    every = fields.integer("no_rope_layer_interval", default=4)
    return tuple(
        "full" if every and (index + 1) % every == 0 else "chunked" for index in range(layers)
    )


def full_attention(fields: Fields, traits: Traits, hidden: int) -> FullAttention:
    """Query, key and value heads as a layer without window has them."""
    heads = fields.integer("num_attention_heads")
    if heads == 0:
        raise malformed("config.json claims 0 attention heads")
    fallback = heads if traits.kv_is_heads else None
    key_heads = fields.integer("num_key_value_heads", default=fallback)
    head_dim = fields.optional("head_dim")
    if head_dim is None and traits.head_dim is None:
        head_dim = hidden // heads  # by the definition of the class, not an assumption
    norm = traits.qk_norm
    if traits.qk_norm_flag is not None and not fields.flag(*traits.qk_norm_flag):
        norm = "none"
    return FullAttention(
        query_heads=heads,
        kv_heads=key_heads,
        head_dim=fields.integer("head_dim", default=traits.head_dim)
        if head_dim is None
        else head_dim,
        qkv_bias=switch(fields, traits.qkv_bias),
        output_bias=switch(fields, traits.output_bias),
        qk_norm=norm,
        sinks=traits.sinks,
    )


def _mixer(
    fields: Fields, traits: Traits, kind: LayerKind, hidden: int
) -> FullAttention | SlidingAttention | ChunkedAttention:
    full = full_attention(fields, traits, hidden)
    if kind == "full":
        return full
    same = full.model_dump(exclude={"kind"})
    if kind == "chunked":
        chunk = fields.integer("attention_chunk_size", default=8192)
        return ChunkedAttention(**same, chunk=chunk)
    return SlidingAttention(**same, window=_window(fields, traits) or 0)


def feed_forwards(fields: Fields, traits: Traits, layers: int) -> tuple[FeedForward, ...]:
    """The MLP or the experts of every layer."""
    moe = traits.experts
    if moe is None:
        width = fields.integer("intermediate_size")
        return (dense(fields, traits, width),) * layers
    sparse = _SPARSE[moe.sparse](fields, moe, layers)
    routed = experts_of(fields, traits, moe) if any(sparse) else None
    plain = None
    if not all(sparse):
        plain = dense(fields, traits, fields.integer(moe.dense_width))
    found = [routed if flag else plain for flag in sparse]
    return tuple(layer for layer in found if layer is not None)


def dense(fields: Fields, traits: Traits, width: int) -> DenseFeedForward:
    """An MLP of that width with the biases of the class."""
    return DenseFeedForward(width=width, gated=traits.gated, bias=switch(fields, traits.mlp_bias))


def experts_of(fields: Fields, traits: Traits, moe: Experts) -> ExpertsFeedForward:
    """The experts of a sparse layer."""
    width = _uniform(fields, moe.width)
    shared = _uniform(fields, moe.shared_width) if moe.shared_width else 0
    if moe.shared_count and fields.has(moe.shared_count):
        shared = width * _uniform(fields, moe.shared_count)
    return ExpertsFeedForward(
        experts=_uniform(fields, moe.count),
        experts_per_token=_uniform(fields, moe.per_token),
        width=width,
        gated=traits.gated,
        shared_width=shared,
        shared_gate=moe.shared_gate,
        router_bias=switch(fields, moe.router_bias),
        expert_bias=moe.expert_bias,
    )


def _uniform(fields: Fields, key: str) -> int:
    """One number, or a list that holds one number throughout."""
    if not isinstance(fields.raw(key), list):
        return fields.integer(key)
    values = set(fields.integers(key) or ())
    if len(values) != 1:
        raise refuse(fields, f"varies `{key}` from layer to layer")
    return values.pop()


def _every_layer(fields: Fields, moe: Experts, layers: int) -> tuple[bool, ...]:
    return (True,) * layers


def _after_dense(fields: Fields, moe: Experts, layers: int) -> tuple[bool, ...]:
    """DeepSeek, GLM: dense first, then every `moe_layer_freq`-th layer."""
    first = fields.integer(moe.first_dense)
    every = fields.optional("moe_layer_freq") or 1
    return tuple(index >= first and index % every == 0 for index in range(layers))


def _steps(fields: Fields, moe: Experts, layers: int) -> tuple[bool, ...]:
    """Qwen: every `decoder_sparse_step`-th layer, less those listed as MLP only."""
    step = fields.integer("decoder_sparse_step", default=1)
    plain = set(fields.integers("mlp_only_layers") or ())
    return tuple(
        step > 0 and (index + 1) % step == 0 and index not in plain for index in range(layers)
    )


def _intervals(fields: Fields, moe: Experts, layers: int) -> tuple[bool, ...]:
    """Llama 4: listed, or every `interleave_moe_layer_step`-th layer."""
    listed = fields.integers("moe_layers")
    if listed is not None:
        return tuple(index in listed for index in range(layers))
    step = fields.integer("interleave_moe_layer_step", default=1)
    return tuple(step > 0 and (index + 1) % step == 0 for index in range(layers))


def _from_to(fields: Fields, moe: Experts, layers: int) -> tuple[bool, ...]:
    """ERNIE: from a first to a last layer, at an interval."""
    first = fields.integer("moe_layer_start_index", default=1)
    last, every = fields.raw("moe_layer_end_index"), fields.integer("moe_layer_interval", default=1)
    end = layers - 1 if last in (None, -1) else fields.integer("moe_layer_end_index")
    return tuple(
        first <= index <= end and every > 0 and (index + 1) % every == 0 for index in range(layers)
    )


_SPARSE: Final[dict[str, Callable[[Fields, Experts, int], tuple[bool, ...]]]] = {
    "all": _every_layer,
    "first_dense": _after_dense,
    "step": _steps,
    "interval": _intervals,
    "listed": _from_to,
}
