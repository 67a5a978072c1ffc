"""Recognises from its tensors what mixes tokens in one block of a GGUF file."""

from __future__ import annotations

from whichweights_plugins.formats._gguf_tensors import LayerFacts, Tensors
from whichweights_schemas.attention import (
    Attention,
    ChunkedAttention,
    EncoderAttention,
    FullAttention,
    Indexer,
    LatentAttention,
    LinearAttention,
    NoAttention,
    ParallelMixers,
    QkNorm,
    RecurrentState,
    SlidingAttention,
    StateSpace,
)


def mixer_of(tensors: Tensors, facts: LayerFacts) -> Attention:
    """The mixer of a block; its tensors are accounted for."""
    if tensors.has("attn_kv_a_mqa.weight"):
        return _latent(tensors, facts)
    if tensors.has_prefix("shortconv."):
        held = tensors.take_prefix("shortconv.")
        size = 2 * facts.hidden * facts.convolution
        return RecurrentState(flavour="short_convolution", state_bytes=size, parameters=held)
    if tensors.has_prefix("time_mix_"):
        return RecurrentState(flavour="rwkv", parameters=tensors.take_prefix("time_mix_"))
    if tensors.has("ssm_conv1d.weight", "ssm_conv1d_q.weight"):
        return _recurrent(tensors, facts)
    if tensors.has("attn_q.weight", "attn_qkv.weight"):
        return _softmax(tensors, facts)
    return NoAttention()


def _recurrent(tensors: Tensors, facts: LayerFacts) -> Attention:
    if tensors.has("ssm_conv1d_q.weight"):
        return _kimi_delta(tensors, facts)
    if not tensors.has("ssm_in.weight"):
        return _gated_deltanet(tensors, facts)
    state = _state_space(tensors, facts)
    if not tensors.has("attn_q.weight", "attn_qkv.weight"):
        return state
    attention = _heads(tensors, facts)
    return ParallelMixers(attention=attention, state_space=state)


def _state_space(tensors: Tensors, facts: LayerFacts) -> StateSpace:
    tensors.take("ssm_in.weight", "ssm_conv1d.weight", "ssm_conv1d.bias", "ssm_out.weight")
    tensors.take("ssm_dt.bias", "ssm_a", "ssm_d")
    if tensors.has("ssm_x.weight"):
        tensors.take("ssm_x.weight", "ssm_dt.weight")
        return StateSpace(
            version=1,
            inner_size=facts.ssm_inner,
            state_size=facts.ssm_state,
            conv_kernel=facts.ssm_kernel,
            dt_rank=facts.ssm_rank,
        )
    return StateSpace(
        version=2,
        inner_size=facts.ssm_inner,
        state_size=facts.ssm_state,
        conv_kernel=facts.ssm_kernel,
        heads=facts.ssm_rank,
        groups=facts.ssm_groups,
        gated_norm=tensors.take_if("ssm_norm.weight"),
    )


def _gated_deltanet(tensors: Tensors, facts: LayerFacts) -> LinearAttention:
    """In its metadata, groups are key heads, the step rank is the number of value heads."""
    tensors.take("ssm_conv1d.weight", "ssm_dt.bias", "ssm_a", "ssm_norm.weight", "ssm_out.weight")
    tensors.take_any(("ssm_ba.weight",), ("ssm_beta.weight", "ssm_alpha.weight"))
    tensors.take_any(("ssm_in.weight",), ("attn_qkv.weight", "attn_gate.weight"))
    heads = max(1, facts.ssm_rank)
    return LinearAttention(
        key_heads=facts.ssm_groups,
        value_heads=heads,
        key_head_dim=facts.ssm_state,
        value_head_dim=facts.ssm_inner // heads,
        conv_kernel=facts.ssm_kernel,
    )


def _kimi_delta(tensors: Tensors, facts: LayerFacts) -> LinearAttention:
    size = tensors.side("ssm_norm.weight", 0) or facts.head_dim or 0
    tensors.take_prefix("ssm_", "attn_q.", "attn_k.", "attn_v.", "attn_output.")
    return LinearAttention(
        flavour="kimi_delta",
        key_heads=facts.heads,
        value_heads=facts.heads,
        key_head_dim=size,
        value_head_dim=size,
        conv_kernel=facts.ssm_kernel,
    )


def _latent(tensors: Tensors, facts: LayerFacts) -> LatentAttention:
    heads = max(1, facts.heads)
    rank = facts.kv_lora_rank or tensors.side("attn_kv_a_norm.weight", 0)
    rope = max(0, tensors.side("attn_kv_a_mqa.weight", 1) - rank)
    query_rank = tensors.side("attn_q_a.weight", 1) or None
    queries = tensors.side("attn_q_b.weight" if query_rank else "attn_q.weight", 1)
    value = tensors.side("attn_output.weight", 0) // heads
    if query_rank:
        tensors.take("attn_q_a.weight", "attn_q_a_norm.weight", "attn_q_b.weight")
    else:
        tensors.take("attn_q.weight")
    tensors.take("attn_kv_a_mqa.weight", "attn_kv_a_norm.weight", "attn_output.weight")
    tensors.take_any(("attn_k_b.weight", "attn_v_b.weight"), ("attn_kv_b.weight",))
    return LatentAttention(
        query_heads=heads,
        q_lora_rank=query_rank,
        kv_lora_rank=rank,
        rope_head_dim=rope,
        nope_head_dim=max(0, queries // heads - rope),
        value_head_dim=value,
        indexer=_indexer(tensors, facts),
    )


def _indexer(tensors: Tensors, facts: LayerFacts) -> Indexer | None:
    size = tensors.side("indexer.k_norm.weight", 0)
    if not size:
        return None
    tensors.take_prefix("indexer.")
    return Indexer(heads=facts.indexer_heads, head_dim=size, top_k=facts.indexer_top_k)


def _softmax(
    tensors: Tensors, facts: LayerFacts
) -> FullAttention | SlidingAttention | ChunkedAttention | EncoderAttention:
    full = _heads(tensors, facts)
    if not facts.causal:
        return EncoderAttention(
            query_heads=full.query_heads, head_dim=full.head_dim, bias=full.qkv_bias
        )
    same = full.model_dump(exclude={"kind"})
    if facts.window is None:
        return full
    if facts.chunked:
        return ChunkedAttention(**same, chunk=facts.window)
    return SlidingAttention(**same, window=facts.window)


def _heads(tensors: Tensors, facts: LayerFacts) -> FullAttention:
    heads, key_heads = max(1, facts.heads), max(1, facts.key_heads)
    joined = tensors.has("attn_qkv.weight")
    if joined:
        width = tensors.side("attn_qkv.weight", 1)
        key_dim = value_dim = facts.head_dim or width // (heads + 2 * key_heads)
        queries = width - 2 * key_heads * key_dim
    else:
        queries = tensors.side("attn_q.weight", 1)
        key_dim = tensors.side("attn_k.weight", 1) // key_heads or facts.head_dim
        key_dim = key_dim or queries // heads
        value_dim = tensors.side("attn_v.weight", 1) // key_heads or key_dim
    one_projection = (
        not joined and tensors.has("attn_k.weight") and not tensors.has("attn_v.weight")
    )
    names = ("attn_qkv",) if joined else ("attn_q", "attn_k", "attn_v")
    wanted = names[:2] if one_projection else names
    tensors.take(*(f"{name}.weight" for name in wanted), "attn_output.weight")
    return FullAttention(
        query_heads=heads,
        kv_heads=key_heads,
        head_dim=key_dim,
        value_head_dim=None if value_dim == key_dim else value_dim,
        qkv_bias=_biases(tensors, wanted),
        output_bias=tensors.take_if("attn_output.bias"),
        qk_norm=_qk_norm(tensors, key_dim),
        output_gate=queries == 2 * heads * key_dim,
        sinks=tensors.take_if("attn_sinks.weight"),
        key_equals_value=one_projection,
        shares_kv=facts.shares_kv,
    )


def _biases(tensors: Tensors, names: tuple[str, ...]) -> bool:
    """Biases of all these projections; where only some have one, they stay uncounted here."""
    if not all(tensors.has(f"{name}.bias") for name in names):
        return False
    return tensors.take_if(*(f"{name}.bias" for name in names))


def _qk_norm(tensors: Tensors, head_dim: int) -> QkNorm:
    if not tensors.has("attn_q_norm.weight") or not tensors.has("attn_k_norm.weight"):
        return "none"
    if tensors.has("attn_q_norm.bias"):
        return "none"
    size = tensors.elements("attn_q_norm.weight")
    tensors.take("attn_q_norm.weight", "attn_k_norm.weight")
    return "per_head" if size == head_dim else "full"
