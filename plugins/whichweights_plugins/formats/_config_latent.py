"""Reads multi-head latent attention: DeepSeek V2 to V4, Kimi K2 and Linear, GLM Lite and 5."""

from __future__ import annotations

from whichweights_plugins.formats._config_decoder import feed_forwards, tied
from whichweights_plugins.formats._config_fields import Fields, refuse
from whichweights_plugins.formats._config_shape import LanguageShape
from whichweights_plugins.formats._config_traits import Experts, Traits
from whichweights_plugins.formats._malformed import malformed
from whichweights_schemas.attention import (
    CompressedAttention,
    Indexer,
    LatentAttention,
    LinearAttention,
)
from whichweights_schemas.models import Block, UnknownFeedForward

_DEEPSEEK = Experts(
    count="n_routed_experts",
    shared_count="n_shared_experts",
    router_bias=True,
    sparse="first_dense",
)
_LATENT = Traits(experts=_DEEPSEEK)
_WITHOUT_BIAS = Traits(
    experts=Experts(count="n_routed_experts", shared_count="n_shared_experts", sparse="first_dense")
)
_KIMI_LINEAR = Traits(
    experts=Experts(
        per_token="num_experts_per_token",
        shared_count="num_shared_experts",
        router_bias=True,
        sparse="first_dense",
    )
)


def read_deepseek_v2(fields: Fields) -> LanguageShape:
    """DeepSeek V2: latent attention, experts whose router has no correction bias."""
    return _read(fields, _WITHOUT_BIAS)


def read_deepseek_v3(fields: Fields) -> LanguageShape:
    """DeepSeek V3 and R1, Kimi K2, GLM-4.7-Flash: as V2, with a bias that balances the router."""
    return _read(fields, _LATENT)


def read_sparse(fields: Fields) -> LanguageShape:
    """DeepSeek V3.2 and GLM-5: latent attention to the tokens an indexer picks.

    Raises:
        UnsupportedArchitecture: the indexer's fields are missing.
    """
    layers = fields.layers()
    indexer = _indexer(fields)
    owners = _indexer_layers(fields, layers)
    mixers = [_latent(fields, indexer if owns else None) for owns in owners]
    return _shape(fields, _LATENT, mixers)


def read_deepseek_v4(fields: Fields) -> LanguageShape:
    """DeepSeek V4: every layer caches a short window and one key for some 4 or 128 tokens."""
    layers, ratios = fields.layers(), fields.integers("compress_ratios")
    if ratios is None or len(ratios) < layers or not any(ratios):
        raise refuse(fields, "does not say how its layers compress their keys")
    attention = CompressedAttention(
        query_heads=fields.integer("num_attention_heads"),
        head_dim=fields.integer("head_dim"),
        ratio=0,
        window=fields.integer("sliding_window"),
        q_lora_rank=fields.optional("q_lora_rank"),
        output_lora_rank=fields.optional("o_lora_rank"),
    )
    shortest = min(ratio for ratio in ratios if ratio)
    known = {ratio: attention.model_copy(update={"ratio": ratio}) for ratio in set(ratios)}
    known[shortest] = known[shortest].model_copy(update={"indexer": _indexer(fields)})
    width = fields.integer("moe_intermediate_size")
    feed = UnknownFeedForward(
        experts=fields.integer("n_routed_experts"),
        experts_per_token=fields.integer("num_experts_per_tok"),
        expert_width=width,
        shared_width=width * (fields.optional("n_shared_experts") or 0),
    )
    return LanguageShape(
        fields.integer("hidden_size"),
        fields.integer("vocab_size"),
        tied(fields, False),
        tuple(Block(attention=known[ratio], feed_forward=feed) for ratio in ratios[:layers]),
        mtp_layers=fields.optional("num_nextn_predict_layers") or 0,
        unproved="no published count confirms the weights of these layers one by one",
    )


def _indexer(fields: Fields) -> Indexer:
    return Indexer(
        heads=fields.integer("index_n_heads"),
        head_dim=fields.integer("index_head_dim"),
        top_k=fields.integer("index_topk"),
    )


def read_kimi_linear(fields: Fields) -> LanguageShape:
    """Kimi Linear: Kimi delta attention, every few layers latent attention instead."""
    layers = fields.layers()
    linear = fields.section("linear_attn_config")
    if linear is None:
        raise refuse(fields, "does not say which layers are linear")
    full = set(linear.integers("full_attn_layers") or ())
    if not full:
        raise refuse(fields, "does not say which layers are linear")
    heads, size = linear.integer("num_heads"), linear.integer("head_dim")
    delta = LinearAttention(
        flavour="kimi_delta",
        key_heads=heads,
        value_heads=heads,
        key_head_dim=size,
        value_head_dim=size,
        conv_kernel=linear.integer("short_conv_kernel_size"),
    )
    latent = _latent(fields, None)
    # The layer numbers of this config count from 1.
    mixers = [latent if index + 1 in full else delta for index in range(layers)]
    return _shape(fields, _KIMI_LINEAR, mixers)


def _indexer_layers(fields: Fields, layers: int) -> tuple[bool, ...]:
    """Layers that own an indexer; the others reuse the last one's choice (GLM-5.2)."""
    kinds = fields.texts("indexer_types")
    if kinds is not None:
        if len(kinds) != layers:
            raise malformed(f"config.json: `indexer_types` has {len(kinds)} entries, not {layers}")
        return tuple(kind == "full" for kind in kinds)
    every = fields.optional("index_topk_freq") or 1
    if every == 1:
        return (True,) * layers
    offset = fields.integer("index_skip_topk_offset")
    return tuple(max(index - offset + 1, 0) % every == 0 for index in range(layers))


def _read(fields: Fields, traits: Traits) -> LanguageShape:
    return _shape(fields, traits, [_latent(fields, None)] * fields.layers())


def _latent(fields: Fields, indexer: Indexer | None) -> LatentAttention:
    if fields.switched("attention_bias"):
        raise refuse(fields, "has attention biases whose place is not known")
    return LatentAttention(
        query_heads=fields.integer("num_attention_heads"),
        q_lora_rank=fields.optional("q_lora_rank"),
        kv_lora_rank=fields.integer("kv_lora_rank"),
        rope_head_dim=fields.integer("qk_rope_head_dim"),
        nope_head_dim=fields.integer("qk_nope_head_dim"),
        value_head_dim=fields.integer("v_head_dim"),
        indexer=indexer,
    )


def _shape(
    fields: Fields,
    traits: Traits,
    mixers: list[LatentAttention] | list[LatentAttention | LinearAttention],
) -> LanguageShape:
    feed = feed_forwards(fields, traits, len(mixers))
    blocks = [
        Block(attention=mixer, feed_forward=mlp) for mixer, mlp in zip(mixers, feed, strict=True)
    ]
    return LanguageShape(
        fields.integer("hidden_size"),
        fields.integer("vocab_size"),
        tied(fields, False),
        tuple(blocks),
        mtp_layers=fields.optional("num_nextn_predict_layers") or 0,
    )
