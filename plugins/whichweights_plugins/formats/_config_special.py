"""Reads decoders with a rule of their own: Gemma 3n and 4, Llama 3.2 Vision's text part."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from whichweights_plugins.formats._config_decoder import (
    dense,
    experts_of,
    full_attention,
    read_decoder,
    tied,
    windowed_layers,
)
from whichweights_plugins.formats._config_fields import Fields, refuse
from whichweights_plugins.formats._config_shape import LanguageShape
from whichweights_plugins.formats._config_traits import TRAITS, Experts, Traits
from whichweights_plugins.formats._malformed import malformed
from whichweights_schemas.attention import CrossAttention, FullAttention, SlidingAttention
from whichweights_schemas.models import Block, DenseFeedForward, FeedForward

_GEMMA: Final = replace(TRAITS["gemma3"], defaults={}, window=None, pattern=0)
_EXPERTS: Final = Experts(per_token="top_k_experts")

_PER_LAYER_INPUTS = "embeddings for every layer and what mixes them in are not counted one by one"

_MLLAMA_EMBEDDING_EXTRA: Final = 8
"""Rows of the embedding beyond the vocabulary (special image tokens); the head lacks them."""

_GATES: Final = 2
"""Two learned scalars of a cross-attention layer, for attention and MLP."""


def read_gemma3n(fields: Fields) -> LanguageShape:
    """Gemma 3n: Gemma 3's windows, the last layers reuse an earlier cache."""
    layers, hidden = fields.layers(), fields.integer("hidden_size")
    kinds = windowed_layers(fields, replace(_GEMMA, pattern=5), layers)
    shared = layers - (fields.optional("num_kv_shared_layers") or 0)
    widths = fields.per_layer("intermediate_size", layers)
    blocks = [
        Block(
            attention=_gemma_mixer(fields, hidden, kind == "sliding", index >= shared),
            feed_forward=DenseFeedForward(width=widths[index]),
            norms=4,
        )
        for index, kind in enumerate(kinds)
    ]
    return _gemma_language(fields, blocks, _PER_LAYER_INPUTS)


def read_gemma4(fields: Fields) -> LanguageShape:
    """Gemma 4: wider heads in the full layers, there with one projection for key and value; MoE
    layers run an MLP beside their experts; the small ones have per-layer embeddings."""
    layers, hidden = fields.layers(), fields.integer("hidden_size")
    kinds = windowed_layers(fields, replace(_GEMMA, pattern=6), layers)
    shared = layers - (fields.optional("num_kv_shared_layers") or 0)
    mlp = dense(fields, Traits(), fields.integer("intermediate_size"))
    feed: FeedForward = mlp
    norms, extra = 4, 1  # the extra is a learned scale of the layer
    if fields.switched("enable_moe_block"):
        routed = experts_of(fields, Traits(), _EXPERTS)
        feed = routed.model_copy(update={"parallel_dense_width": mlp.width})
        norms, extra = 7, 1 + hidden + routed.experts  # scales of the router and of each expert
    blocks = [
        Block(
            attention=_gemma4_mixer(fields, hidden, kind == "sliding", index >= shared),
            feed_forward=feed,
            norms=norms,
            extra_parameters=extra,
        )
        for index, kind in enumerate(kinds)
    ]
    small = fields.optional("hidden_size_per_layer_input") or shared < layers
    return _gemma_language(fields, blocks, _PER_LAYER_INPUTS if small else None)


def _gemma_language(fields: Fields, blocks: list[Block], unproved: str | None) -> LanguageShape:
    return LanguageShape(
        fields.integer("hidden_size"),
        fields.integer("vocab_size"),
        tied(fields, True),
        tuple(blocks),
        unproved=unproved,
    )


def _gemma_mixer(
    fields: Fields, hidden: int, windowed: bool, shares: bool
) -> FullAttention | SlidingAttention:
    full = full_attention(fields, _GEMMA, hidden).model_copy(update={"shares_kv": shares})
    if not windowed:
        return full
    same = full.model_dump(exclude={"kind"})
    return SlidingAttention(**same, window=fields.integer("sliding_window"))


def _gemma4_mixer(
    fields: Fields, hidden: int, windowed: bool, shares: bool
) -> FullAttention | SlidingAttention:
    mixer = _gemma_mixer(fields, hidden, windowed, shares)
    if windowed:
        return mixer
    one_projection = fields.switched("attention_k_eq_v")
    changes: dict[str, object] = {"key_equals_value": one_projection}
    head_dim = fields.optional("global_head_dim")
    heads = fields.optional("num_global_key_value_heads") if one_projection else None
    changes |= {"head_dim": head_dim} if head_dim else {}
    changes |= {"kv_heads": heads} if heads else {}
    return mixer.model_copy(update=changes)


def read_mllama(fields: Fields) -> LanguageShape:
    """Llama 3.2 Vision: a Llama with cross-attention layers that look at the image."""
    crossing = fields.integers("cross_attention_layers")
    if crossing is None:
        raise refuse(fields, "does not say which layers attend to the image")
    plain = read_decoder(fields, replace(TRAITS["llama"], defaults={}))
    if any(index >= len(plain.layers) for index in crossing):
        raise malformed("config.json: `cross_attention_layers` names a layer that is not there")
    layers = [
        _crossing(block) if index in crossing else block for index, block in enumerate(plain.layers)
    ]
    extra = _MLLAMA_EMBEDDING_EXTRA * plain.hidden
    return replace(plain, layers=tuple(layers), extra_parameters=extra)


def _crossing(block: Block) -> Block:
    assert isinstance(block.attention, FullAttention)
    same = block.attention.model_dump(exclude={"kind", "qk_norm"})
    mixer = CrossAttention(**same, qk_norm="per_head")
    return block.model_copy(update={"attention": mixer, "extra_parameters": _GATES})
