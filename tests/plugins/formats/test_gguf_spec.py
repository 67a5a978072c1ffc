"""Shapes read from GGUF headers: one real file, and small models of every kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gguf_files import by_hand, pair, tensor, text, weights, written
from gguf_models import (
    ATTENTION,
    DELTANET,
    EXPERTS,
    FF,
    LATENT,
    MAMBA1,
    MAMBA2,
    MAMBA2_KEYS,
    MLP,
    OUTSIDE,
    H,
    Shapes,
    V,
    header_of,
    metadata,
    mixers,
    model,
    read,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from whichweights.planning.formats import canonical_format
from whichweights.planning.parameters import count_parameters
from whichweights_plugins.formats._malformed import MalformedFile
from whichweights_plugins.formats.gguf_header import parse_gguf
from whichweights_plugins.formats.gguf_spec import spec_from_gguf
from whichweights_schemas.attention import (
    FullAttention,
    LatentAttention,
    LinearAttention,
    ParallelMixers,
    RecurrentState,
    SlidingAttention,
    StateSpace,
)
from whichweights_schemas.errors import UnsupportedArchitecture
from whichweights_schemas.models import DenseFeedForward, ExpertsFeedForward


def test_a_real_file_gives_shape_bytes_and_format(tmp_path: Path) -> None:
    tensors = model({**ATTENTION, **MLP}, {**ATTENTION, **MLP})
    types = {name: "Q4_K" for name in tensors if name.startswith("blk.") and "norm" not in name}
    types |= {"output.weight": "Q6_K", "token_embd.weight": "Q4_K"}
    keys = {
        **metadata(),
        "general.name": "Little one",
        "general.license": "apache-2.0",
        "general.file_type": 15,
        "general.base_model.0.repo_url": "https://huggingface.co/someone/little",
        "quantize.imatrix.entries_count": 14,
        "quantize.imatrix.chunks_count": 100,
    }
    path = written(tmp_path / "a.gguf", "llama", keys, tensors, types)
    header = parse_gguf(path.read_bytes(), file_bytes=path.stat().st_size)
    spec = spec_from_gguf(header, model_id="little-Q4_K_M.gguf")
    assert (spec.display_name, spec.license, spec.base_model) == (
        *("Little one", "apache-2.0"),
        "someone/little",
    )
    assert spec.parameters.total == weights(tensors)
    assert (spec.layout, spec.hidden_size, spec.vocab_size) == ((0, 0), H, V)
    assert spec.native is not None
    assert (spec.native.format, spec.native.container) == ("Q4_K_M", "gguf")
    assert spec.native.bits_per_weight == 8 * header.tensor_bytes / header.weights
    assert "Q6_K" in (spec.native.note or "")
    assert spec.notes == ("quantized with an importance matrix: 14 tensors, 100 chunks",)
    assert canonical_format(spec.native.format, field="quantization") == "Q4_K_M"


def test_a_dense_block_is_recognised_to_the_last_weight() -> None:
    spec = read("qwen2", model({**ATTENTION, **MLP}, {**ATTENTION, **MLP}))
    attention = spec.layer(0).attention
    assert isinstance(attention, FullAttention)
    assert (attention.query_heads, attention.kv_heads, attention.head_dim) == (4, 2, 64)
    assert spec.layer(0).feed_forward == DenseFeedForward(width=FF)
    assert spec.extra_parameters == 32
    assert spec.tied_embeddings is False


def test_biases_query_norms_and_sinks_are_seen() -> None:
    extra: Shapes = {
        **{f"attn_{name}.bias": (size,) for name, size in (("q", 256), ("k", 128), ("v", 128))},
        "attn_output.bias": (H,),
        "attn_q_norm.weight": (64,),
        "attn_k_norm.weight": (64,),
        "attn_sinks.weight": (4,),
    }
    outside = {name: shape for name, shape in OUTSIDE.items() if name != "output.weight"}
    block = {**ATTENTION, **extra, **MLP}
    spec = read("gpt-oss", model(block, block, outside=outside), attention__sliding_window=128)
    first, second = mixers(spec)
    assert isinstance(first, SlidingAttention)
    assert isinstance(second, FullAttention)
    assert (first.window, first.sinks, first.qk_norm) == (128, True, "per_head")
    assert (second.qkv_bias, second.output_bias, spec.tied_embeddings) == (True, True, True)


def test_joined_projections_are_taken_apart() -> None:
    block: Shapes = {
        "attn_norm.weight": (H,),
        "attn_qkv.weight": (H, 512),
        "attn_output.weight": (256, H),
        "ffn_norm.weight": (H,),
        "ffn_up.weight": (H, 2 * FF),
        "ffn_down.weight": (FF, H),
    }
    spec = read("phi3", model(block, block))
    attention = spec.layer(0).attention
    assert isinstance(attention, FullAttention)
    assert attention.head_dim == 64
    assert spec.layer(0).feed_forward == DenseFeedForward(width=FF, gated=True)


def test_experts_shared_experts_and_dense_first_layers_are_told_apart() -> None:
    spec = read(
        "glm4moe", model({**ATTENTION, **MLP}, {**ATTENTION, **EXPERTS}), expert_used_count=2
    )
    assert isinstance(spec.layer(0).feed_forward, DenseFeedForward)
    assert spec.layer(1).feed_forward == ExpertsFeedForward(
        experts=8, experts_per_token=2, width=64, shared_width=128, router_bias=True
    )


def test_biases_of_experts_are_seen() -> None:
    biases: Shapes = {
        "ffn_gate_exps.bias": (64, 8),
        "ffn_up_exps.bias": (64, 8),
        "ffn_down_exps.bias": (H, 8),
        "ffn_gate_inp.bias": (8,),
    }
    plain = {
        name: shape
        for name, shape in EXPERTS.items()
        if "shexp" not in name and "exp_probs" not in name
    }
    block = {**ATTENTION, **plain, **biases}
    spec = read("gpt-oss", model(block, block), expert_used_count=2)
    assert spec.layer(0).feed_forward == ExpertsFeedForward(
        experts=8, experts_per_token=2, width=64, router_bias=True, expert_bias=True
    )


def test_experts_stored_one_by_one_are_gathered() -> None:
    single = {
        f"ffn_{kind}.{number}.weight": shape
        for number in range(4)
        for kind, shape in (("gate", (H, 64)), ("up", (H, 64)), ("down", (64, H)))
    }
    block = {**ATTENTION, "ffn_norm.weight": (H,), "ffn_gate_inp.weight": (H, 4), **single}
    spec = read("llama", model(block, block), expert_used_count=2)
    assert spec.layer(0).feed_forward == ExpertsFeedForward(
        experts=4, experts_per_token=2, width=64
    )


def test_latent_attention_is_read_from_its_tensors() -> None:
    spec = read(
        "deepseek2", model({**LATENT, **MLP}, {**LATENT, **MLP}), attention__head_count_kv=1
    )
    assert spec.layer(0).attention == LatentAttention(
        query_heads=4,
        q_lora_rank=96,
        kv_lora_rank=64,
        rope_head_dim=16,
        nope_head_dim=32,
        value_head_dim=32,
    )


def test_an_indexer_belongs_to_the_layers_that_hold_one() -> None:
    indexer: Shapes = {
        "indexer.attn_q_b.weight": (96, 2 * 32),
        "indexer.attn_k.weight": (H, 32),
        "indexer.k_norm.weight": (32,),
        "indexer.k_norm.bias": (32,),
        "indexer.proj.weight": (H, 2),
    }
    spec = read(
        "deepseek32",
        model({**LATENT, **indexer, **MLP}, {**LATENT, **MLP}),
        attention__indexer__head_count=2,
        attention__indexer__top_k=64,
    )
    first, second = mixers(spec)
    assert isinstance(first, LatentAttention)
    assert isinstance(second, LatentAttention)
    assert first.indexer is not None
    assert (first.indexer.heads, first.indexer.head_dim, second.indexer) == (2, 32, None)


def test_linear_and_full_layers_of_a_hybrid_are_told_apart() -> None:
    gated = {**ATTENTION, "attn_q.weight": (H, 512)}
    plain_mlp = {name: shape for name, shape in MLP.items() if name != "ffn_norm.weight"}
    spec = read(
        "qwen3next",
        model({**DELTANET, **plain_mlp}, {**gated, **MLP}),
        **{**MAMBA2_KEYS, "ssm__state_size": 32},
    )
    first, second = mixers(spec)
    assert first == LinearAttention(
        key_heads=2, value_heads=4, key_head_dim=32, value_head_dim=32, conv_kernel=4
    )
    assert isinstance(second, FullAttention)
    assert second.output_gate


def test_layers_of_one_part_are_mixers_or_feed_forwards() -> None:
    spec = read(
        "nemotron_h_moe",
        model(MAMBA2, EXPERTS),
        expert_used_count=2,
        attention__head_count_kv=[0, 0],
        **MAMBA2_KEYS,
    )
    first, second = mixers(spec)
    assert isinstance(first, StateSpace)
    assert (first.heads, first.groups, first.gated_norm) == (4, 2, True)
    assert second.kind == "none"
    assert spec.layer(0).feed_forward.kind == "none"


def test_mamba_1_is_told_from_mamba_2() -> None:
    spec = read(
        "mamba",
        model(MAMBA1, MAMBA1),
        ssm__inner_size=512,
        ssm__state_size=16,
        ssm__conv_kernel=4,
        ssm__time_step_rank=16,
    )
    first = spec.layer(0).attention
    assert isinstance(first, StateSpace)
    assert (first.version, first.dt_rank) == (1, 16)


def test_attention_beside_mamba_is_parallel() -> None:
    block = {**{name: shape for name, shape in ATTENTION.items() if "norm" not in name}, **MAMBA2}
    spec = read("falcon-h1", model({**block, **MLP}, {**block, **MLP}), **MAMBA2_KEYS)
    assert isinstance(spec.layer(0).attention, ParallelMixers)


def test_short_convolutions_and_rwkv_are_recurrent() -> None:
    convolution: Shapes = {
        "attn_norm.weight": (H,),
        "shortconv.in_proj.weight": (H, 3 * H),
        "shortconv.conv.weight": (3, H),
        "shortconv.out_proj.weight": (H, H),
    }
    rwkv: Shapes = {"attn_norm.weight": (H,), "time_mix_key.weight": (H, H)}
    spec = read("lfm2", model({**convolution, **MLP}, {**rwkv, **MLP}), shortconv__l_cache=3)
    first, second = mixers(spec)
    assert isinstance(first, RecurrentState)
    assert isinstance(second, RecurrentState)
    assert (first.state_bytes, first.parameters) == (2 * H * 3, 4 * H * H + 3 * H)
    assert (second.flavour, second.parameters, second.state_bytes) == ("rwkv", H * H, None)


def test_draft_layers_are_counted_apart() -> None:
    draft = {**ATTENTION, **MLP, "nextn.eh_proj.weight": (2 * H, H)}
    tensors = model({**ATTENTION, **MLP}, draft)
    spec = read("glm4moe", tensors, nextn_predict_layers=1)
    assert (len(spec.layout), spec.mtp_layers) == (1, 1)
    expected = weights(
        {name: shape for name, shape in tensors.items() if name.startswith("blk.1.")}
    )
    assert spec.parameters.mtp == expected
    assert spec.parameters.language == weights(tensors) - expected


def test_an_encoder_caches_nothing() -> None:
    block: Shapes = {
        **{f"attn_{name}.weight": (H, H) for name in ("q", "k", "v", "output")},
        **{f"attn_{name}.bias": (H,) for name in ("q", "k", "v", "output")},
        "attn_output_norm.weight": (H,),
        "attn_output_norm.bias": (H,),
        "ffn_up.weight": (H, FF),
        "ffn_up.bias": (FF,),
        "ffn_down.weight": (FF, H),
        "ffn_down.bias": (H,),
        "layer_output_norm.weight": (H,),
        "layer_output_norm.bias": (H,),
    }
    outside: Shapes = {
        "token_embd.weight": (H, V),
        "position_embd.weight": (H, 512),
        "token_types.weight": (H, 2),
        "token_embd_norm.weight": (H,),
        "token_embd_norm.bias": (H,),
    }
    spec = read("bert", model(block, block, outside=outside), attention__head_count_kv=4)
    assert (spec.kind, spec.layer(0).attention.kind) == ("encoder", "encoder")
    assert (spec.learned_positions, spec.final_norm, spec.layer(0).norm_bias) == (512, False, True)


@pytest.mark.parametrize(
    ("key", "value"), [("general.type", "mmproj"), ("general.type", "adapter")]
)
def test_what_is_no_language_model_is_refused(key: str, value: str) -> None:
    pairs = [pair("general.architecture", 8, text("llama")), pair(key, 8, text(value))]
    header = parse_gguf(by_hand(pairs, [tensor("v.patch_embd.weight", (32, 4))]))
    with pytest.raises(UnsupportedArchitecture):
        spec_from_gguf(header, model_id="mmproj.gguf")
    projector = [pair("general.architecture", 8, text("clip"))]
    assert parse_gguf(by_hand(projector)).content == "mmproj"


def test_a_block_without_tensors_means_an_incomplete_file() -> None:
    header = header_of("llama", model({**ATTENTION, **MLP}))
    with pytest.raises(MalformedFile, match="block 1"):
        spec_from_gguf(header, model_id="a.gguf")


def test_a_missing_tensor_is_named_and_the_layers_are_not_counted() -> None:
    block = {name: shape for name, shape in ATTENTION.items() if name != "attn_output.weight"}
    spec = read("llama", model({**block, **MLP}, {**block, **MLP}))
    assert count_parameters(spec) is None
    assert "blk.0.attn_output.weight" in spec.unknown[0].reason


TENSOR_NAMES = sorted({*ATTENTION, *MLP, *EXPERTS, *LATENT, *DELTANET, *MAMBA2, *MAMBA1})
KEYS = sorted({*metadata(**MAMBA2_KEYS), "expert_used_count", "attention.sliding_window"})


@settings(max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from(TENSOR_NAMES), st.lists(st.integers(0, 2**20), max_size=3).map(tuple)
    ),
    st.dictionaries(
        st.sampled_from(KEYS), st.integers(0, 2**32 - 1) | st.lists(st.integers(0, 99), min_size=1)
    ),
)
def test_any_mixture_of_tensors_and_numbers_ends_in_a_spec_or_a_typed_error(
    block: Shapes, keys: dict[str, Any]
) -> None:
    try:
        header = header_of("some", model(block, {**ATTENTION, **MLP}), **keys)
        spec = spec_from_gguf(header, model_id="a.gguf")
    except (MalformedFile, UnsupportedArchitecture):
        return
    assert set(spec.layout) == set(range(len(spec.blocks)))
