"""Turns the shape fields of a raw model record into blocks and a layout."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from whichweights_plugins.knowledge._tables import Row
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
    NoFeedForward,
    UnknownFeedForward,
)

_FULL = re.compile(r"global|full", re.IGNORECASE)


@dataclass(frozen=True)
class Layers:
    """Distinct blocks, which of them each layer is, and why there are none."""

    blocks: tuple[Block, ...] = ()
    layout: tuple[int, ...] = ()
    missing: str | None = None
    unverified: bool = field(default=False)


def layers_of(record: Row) -> Layers:
    """The layers of a record, or the reason why they cannot be given."""
    missing = _missing(record)
    if missing is not None:
        return Layers(missing=missing)
    blocks: list[Block] = []
    layout: list[int] = []
    for index in range(record["num_hidden_layers"]):
        block = _block(record, index)
        if block not in blocks:
            blocks.append(block)
        layout.append(blocks.index(block))
    return Layers(tuple(blocks), tuple(layout), unverified="compress_ratios" in record)


def _missing(record: Row) -> str | None:
    if "num_hidden_layers" not in record:
        return "the shape is not known"
    known = ("compute_class", "kv_bytes_per_token_bf16", "compress_ratios")
    if any(key in record for key in known):
        return None
    if "kv_bytes_per_token_bf16_upper_bound" in record:
        return "which layers attend to everything is not known"
    if record.get("num_key_value_heads") == record.get("num_attention_heads") and (
        "num_key_value_heads" in record.get("unchecked_fields", ())
    ):
        return "the number of KV heads is not known"
    return "which layers keep a growing cache is not known"


def _block(record: Row, layer: int) -> Block:
    pattern: str | None = record.get("layer_pattern_string")
    if pattern is not None:
        return _single_part_block(record, pattern[layer])
    return Block(
        attention=_attention(record, layer),
        feed_forward=_feed_forward(record, layer),
        norms=_norms(record),
        norm_bias=record.get("norm_bias", False) or record.get("compute_class") == "bert",
        extra_parameters=record.get("extra_params_per_layer", 0) + _activation(record),
    )


def _activation(record: Row) -> int:
    """xIELU learns two numbers a layer."""
    return 2 if record.get("mlp_type") == "xielu" else 0


def _norms(record: Row) -> int:
    return record.get("norms_per_layer", 1 if record.get("compute_class") == "mamba1" else 2)


def _single_part_block(record: Row, letter: str) -> Block:
    """Layers that are a mixer or a feed-forward: M Mamba-2, * attention, - MLP, E experts."""
    attention: Attention = NoAttention()
    feed_forward: FeedForward = NoFeedForward()
    match letter:
        case "M":
            attention = _mamba2(record)
        case "*":
            attention = FullAttention(**_heads(record, full=True))
        case "E":
            feed_forward = _experts(record)
        case "-":
            feed_forward = _dense(record, record["intermediate_size"])
        case _:
            raise ValueError(f"{record['repo_id']}: layer kind {letter!r}")
    return Block(attention=attention, feed_forward=feed_forward, norms=1)


def _attention(record: Row, layer: int) -> Attention:
    if record.get("compute_class") == "bert":
        return EncoderAttention(
            query_heads=record["num_attention_heads"], head_dim=record["head_dim"]
        )
    if "compress_ratios" in record:
        return _compressed(record, record["compress_ratios"][layer])
    modalities: Row = record.get("multimodal", {})
    if layer in modalities.get("cross_attention_layers", ()):
        return CrossAttention(**_heads(record, full=True))
    attending: list[int] | None = record.get("attention_layer_index")
    if attending is not None and layer not in attending:
        return _stateful(record)
    if "state_type" in record and attending is None:
        return _every_layer_stateful(record)
    if "kv_lora_rank" in record:
        return _latent(record, layer)
    return _softmax(record, layer)


def _every_layer_stateful(record: Row) -> Attention:
    state = _stateful(record)
    if "num_key_value_heads" in record and isinstance(state, StateSpace | RecurrentState):
        attention = FullAttention(**_heads(record, full=True))
        return ParallelMixers(attention=attention, state_space=state)
    return state


def _softmax(record: Row, layer: int) -> Attention:
    windowed = _is_windowed(record, layer)
    heads = _heads(record, full=not windowed)
    shared = record.get("num_kv_shared_layers", 0)
    heads["shares_kv"] = layer >= record["num_hidden_layers"] - shared
    if not windowed:
        return FullAttention(**heads)
    if "attention_chunk_size" in record:
        return ChunkedAttention(**heads, chunk=record["attention_chunk_size"])
    return SlidingAttention(**heads, window=record["sliding_window"])


def _is_windowed(record: Row, layer: int) -> bool:
    if "global_layer_index" in record:
        return layer not in record["global_layer_index"]
    pattern: str | None = record.get("layer_pattern")
    if pattern is None or "sliding_window" not in record:
        return False
    kinds: list[bool] = []
    for part in pattern.split(":"):
        count = re.match(r"\s*(\d+)", part)
        kinds += [_FULL.search(part) is None] * (int(count[1]) if count else 1)
    return kinds[layer % len(kinds)]


def _heads(record: Row, *, full: bool) -> Row:
    """Constructor arguments of softmax attention; windowed layers may have heads of their own."""
    key_heads, head_dim = record["num_key_value_heads"], record["head_dim"]
    if full and "num_global_key_value_heads" in record:
        key_heads, head_dim = record["num_global_key_value_heads"], record["global_head_dim"]
    if not full:
        key_heads = record.get("swa_num_key_value_heads", key_heads)
    norm = record.get("qk_norm", "none")
    return {
        "query_heads": record["num_attention_heads"],
        "kv_heads": key_heads,
        "head_dim": head_dim,
        "value_head_dim": record.get("v_head_dim"),
        "qkv_bias": record.get("qkv_bias", False),
        "output_bias": record.get("o_bias", False),
        "qk_norm": "full" if norm == "per_head_full" else norm,
        "output_gate": record.get("attn_output_gate", False),
        "sinks": record.get("attention_sinks", False),
        "key_equals_value": full and record.get("attention_k_eq_v", False),
    }


def _latent(record: Row, layer: int) -> LatentAttention:
    owners: list[int] | None = record.get("indexer_full_layers")
    owns = "index_n_heads" in record and (owners is None or layer in owners)
    return LatentAttention(
        query_heads=record["num_attention_heads"],
        q_lora_rank=record.get("q_lora_rank"),
        kv_lora_rank=record["kv_lora_rank"],
        rope_head_dim=record["qk_rope_head_dim"],
        nope_head_dim=record["qk_nope_head_dim"],
        value_head_dim=record["v_head_dim"],
        indexer=_indexer(record) if owns else None,
    )


def _indexer(record: Row) -> Indexer:
    return Indexer(
        heads=record["index_n_heads"],
        head_dim=record["index_head_dim"],
        top_k=record["index_topk"],
    )


def _compressed(record: Row, ratio: int) -> CompressedAttention:
    shortest = min(value for value in record["compress_ratios"] if value)
    return CompressedAttention(
        query_heads=record["num_attention_heads"],
        head_dim=record["head_dim"],
        ratio=ratio,
        window=record["sliding_window"],
        q_lora_rank=record.get("q_lora_rank"),
        output_lora_rank=record.get("o_lora_rank"),
        indexer=_indexer(record) if ratio == shortest else None,
    )


def _stateful(record: Row) -> Attention:
    """The mixer of the layers that keep no growing cache."""
    kind: str = record.get("state_type", "")
    if "linear_num_key_heads" in record:
        return LinearAttention(
            key_heads=record["linear_num_key_heads"],
            value_heads=record["linear_num_value_heads"],
            key_head_dim=record["linear_key_head_dim"],
            value_head_dim=record["linear_value_head_dim"],
            conv_kernel=record["linear_conv_kernel"],
        )
    if "mamba_num_heads" in record:
        return _mamba2(record)
    if record.get("compute_class") == "mamba1":
        return _mamba1(record)
    if not kind:
        return NoAttention()  # pruned by architecture search: the layer is there, attention is not
    flavour = kind.split(" (")[0].replace(" ", "_")
    return RecurrentState(flavour=flavour)


def _mamba2(record: Row) -> StateSpace:
    heads = record["mamba_num_heads"]
    return StateSpace(
        version=2,
        inner_size=heads * record["mamba_head_dim"],
        state_size=record["ssm_state_size"],
        conv_kernel=record["mamba_conv_kernel"],
        heads=heads,
        groups=record["mamba_n_groups"],
    )


def _mamba1(record: Row) -> StateSpace:
    """Expansion 2 and a step rank of hidden/16, the defaults that reproduce the counts."""
    hidden = record["hidden_size"]
    return StateSpace(
        version=1,
        inner_size=2 * hidden,
        state_size=record["ssm_state_size"],
        conv_kernel=record["mamba_conv_kernel"],
        dt_rank=-(-hidden // 16),
    )


def _feed_forward(record: Row, layer: int) -> FeedForward:
    if record.get("compute_class") == "mamba1":
        return NoFeedForward()
    has_experts = record.get("num_experts", 0) > 0
    if "compute_class" not in record:
        if has_experts or "intermediate_size" not in record:
            return _partly_known(record)
        return _dense(record, record["intermediate_size"])
    sparse = layer in record.get("moe_layer_index", [layer])
    if has_experts and sparse and layer >= record.get("first_k_dense", 0):
        return _experts(record)
    width = record["intermediate_size"]
    return _dense(record, record.get("dense_intermediate_size", width))


def _dense(record: Row, width: int) -> DenseFeedForward:
    bias = record.get("mlp_bias", False) or record.get("compute_class") == "bert"
    return DenseFeedForward(width=width, gated=_gated(record), bias=bias)


def _gated(record: Row) -> bool:
    return "mlp_type" not in record and record.get("compute_class") != "bert"


def _experts(record: Row) -> ExpertsFeedForward:
    parallel = record["intermediate_size"] if record.get("parallel_dense_mlp") else None
    return ExpertsFeedForward(
        experts=record["num_experts"],
        experts_per_token=record["experts_per_token"],
        width=record["moe_intermediate_size"],
        gated=_gated(record),
        shared_width=_shared_width(record) or 0,
        shared_gate=record.get("shared_expert_gate", False),
        router_bias=record.get("router_bias", False),
        expert_bias=record.get("expert_bias", False),
        latent_size=record.get("moe_latent_size"),
        parallel_dense_width=parallel,
    )


def _shared_width(record: Row) -> int | None:
    if "shared_intermediate_size" in record:
        return record["shared_intermediate_size"]
    if "num_shared_experts" in record:
        return record["num_shared_experts"] * record["moe_intermediate_size"]
    return None


def _partly_known(record: Row) -> UnknownFeedForward:
    return UnknownFeedForward(
        dense_width=record.get("intermediate_size"),
        experts=record.get("num_experts"),
        experts_per_token=record.get("experts_per_token"),
        expert_width=record.get("moe_intermediate_size"),
        shared_width=_shared_width(record),
    )
