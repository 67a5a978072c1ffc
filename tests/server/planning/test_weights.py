"""Bytes of the weights: published totals, formats, and laws that hold for any of them."""

from __future__ import annotations

from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specs import (
    ALL,
    DEEPSEEK_V3,
    GEMMA_3_27B,
    GIB,
    GPT_OSS_120B,
    LLAMA_31_8B,
    QWEN3_30B_A3B,
    QWEN25_7B,
    QWEN35_27B,
    SIZE_ONLY,
)

from whichweights.planning.gguf_tensors import model_tensors
from whichweights.planning.parameters import count_parameters
from whichweights.planning.weights import language_parameters, weigh
from whichweights_schemas.errors import UnknownQuantization, UnsupportedArchitecture
from whichweights_schemas.models import ModelSpec, ParameterCounts


@pytest.mark.parametrize("spec", ALL, ids=lambda spec: spec.id)
def test_the_listed_tensors_hold_exactly_the_counted_weights(spec: ModelSpec):
    tensors, counted = model_tensors(spec), count_parameters(spec)
    assert tensors is not None
    assert counted is not None
    assert tensors.weights == counted.total_language
    assert isclose(tensors.weights, language_parameters(spec) or 0, rel_tol=1e-6)


@pytest.mark.parametrize(
    ("spec", "gib"),
    [(LLAMA_31_8B, 14.958), (QWEN3_30B_A3B, 56.871), (DEEPSEEK_V3, 1249.9)],
    ids=lambda value: getattr(value, "id", value),
)
def test_sixteen_bit_weights_weigh_what_the_reference_table_says(spec: ModelSpec, gib: float):
    assert isclose(weigh(spec, "BF16", "vllm").language / GIB, gib, rel_tol=5e-5)


def test_gemma_3_27b_weighs_51_gib_with_its_vision_tower():
    plan = weigh(GEMMA_3_27B, "BF16", "vllm")
    assert isclose((plan.language + plan.vision) / GIB, 51.097, abs_tol=5e-4)


@pytest.mark.parametrize(
    ("spec", "size"),
    [
        (LLAMA_31_8B, 4_912_898_048),
        (QWEN3_30B_A3B, 18_550_716_416),
        (GEMMA_3_27B, 16_539_843_584),
    ],
    ids=lambda value: getattr(value, "id", value),
)
def test_a_q4_k_m_file_is_exact_to_the_byte(spec: ModelSpec, size: int):
    plan = weigh(spec, "Q4_K_M", "llama.cpp")
    assert plan.language == size
    assert (plan.low, plan.high, plan.basis) == (size, size, "computed")


def test_deepseek_v3_as_published_is_fp8_in_blocks_with_the_mtp_layer():
    plan = weigh(DEEPSEEK_V3, "native", "vllm")
    assert isclose((plan.language + plan.mtp) / GIB, 641.285, abs_tol=1e-3)


def test_gpt_oss_keeps_everything_but_the_experts_in_16_bits():
    plan = weigh(GPT_OSS_120B, "native", "vllm")
    experts = 36 * 128 * 3 * 2880 * 2880
    rest = 116_829_156_672 - experts
    assert plan.language == experts * 17 // 32 + 2 * rest
    assert sum(plan.experts) < plan.language


def test_an_untied_embedding_lies_in_system_memory_in_llama_cpp_only():
    parts = weigh(LLAMA_31_8B, "Q4_K_M", "llama.cpp").parts(load_vision=False, load_mtp=False)
    (embedding,) = [part for part in parts if part.host]
    assert embedding.bytes == 128_256 * 4096 * 144 // 256
    assert sum(part.bytes for part in parts) == 4_912_898_048
    assert not any(p.host for p in weigh(LLAMA_31_8B, "BF16", "vllm").parts(False, False))
    assert not any(p.host for p in weigh(GEMMA_3_27B, "Q4_K_M", "llama.cpp").parts(False, False))


def test_a_token_of_a_moe_model_reads_only_its_experts():
    plan = weigh(QWEN3_30B_A3B, "BF16", "vllm")
    active = plan.active_layers + plan.head + plan.embedding
    assert active == 2 * 3_353_032_704


def test_vision_and_mtp_are_lines_of_their_own_when_loaded():
    plan = weigh(QWEN35_27B, "Q4_K_M", "llama.cpp")
    names = [part.name for part in plan.parts(load_vision=True, load_mtp=True)]
    assert names == ["weights", "token embedding", "vision tower", "multi-token prediction"]
    assert plan.vision == 2 * 460_730_096


def test_without_a_shape_the_weights_are_parameters_times_bits_with_a_band():
    plan = weigh(SIZE_ONLY, "Q4_K_M", "llama.cpp")
    assert plan.basis == "fitted"
    assert plan.low < plan.language < plan.high
    assert isclose(plan.language, 13e9 * 4.8944 / 8, rel_tol=1e-3)
    assert not plan.layers_known


def test_a_model_of_which_nothing_is_known_is_refused():
    nothing = ModelSpec(id="x/y", display_name="y", parameters=ParameterCounts(total=None))
    with pytest.raises(UnsupportedArchitecture, match="neither the shape nor the number"):
        weigh(nothing, "Q4_K_M", "llama.cpp")


def test_an_unknown_format_is_refused():
    with pytest.raises(UnknownQuantization):
        weigh(LLAMA_31_8B, "Q99_Z", "llama.cpp")


def test_a_publisher_chosen_mixture_has_a_band_because_no_rule_tells_it():
    plan = weigh(LLAMA_31_8B, "UD-Q4_K_XL", "llama.cpp")
    assert plan.basis == "fitted"
    assert plan.low < plan.language < plan.high


def test_awq_leaves_embeddings_and_head_in_16_bits():
    plan = weigh(QWEN25_7B, "AWQ-Int4", "transformers")
    assert plan.embedding == 2 * 152_064 * 3584
    assert plan.head >= plan.embedding


LADDER = ("Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16")


@given(spec=st.sampled_from(ALL), index=st.integers(0, len(LADDER) - 2))
def test_more_bits_never_weigh_less(spec: ModelSpec, index: int):
    smaller = weigh(spec, LADDER[index], "llama.cpp").language
    assert smaller <= weigh(spec, LADDER[index + 1], "llama.cpp").language


@given(
    spec=st.sampled_from(ALL),
    form=st.sampled_from(("BF16", "FP8", "AWQ-Int4", "MLX-4bit", "Q4_K_M", "UD-Q4_K_XL")),
    vision=st.booleans(),
    mtp=st.booleans(),
)
def test_the_lines_add_up_and_lie_in_their_bands(
    spec: ModelSpec, form: str, vision: bool, mtp: bool
):
    plan = weigh(spec, form, "llama.cpp")
    parts = plan.parts(vision, mtp)
    loaded = plan.language + (plan.vision if vision else 0) + (plan.mtp if mtp else 0)
    assert sum(part.bytes for part in parts) == loaded
    assert all(0 <= part.low <= part.bytes <= part.high for part in parts)
    assert len(plan.layers) == len(spec.layout)
    assert all(routed <= whole for routed, whole in zip(plan.experts, plan.layers, strict=True))


@pytest.mark.parametrize("name", ["FP8", "AWQ-Int4", "bnb-NF4"])
def test_a_packed_checkpoint_has_a_band_and_plain_floats_have_none(name: str):
    packed, plain = weigh(LLAMA_31_8B, name, "vllm"), weigh(LLAMA_31_8B, "BF16", "vllm")

    assert packed.low < packed.language < packed.high <= 1.06 * packed.language
    assert plain.low == plain.language == plain.high
