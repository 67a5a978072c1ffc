"""How many weights a LoRA trains, against what PEFT and Unsloth printed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specs import (
    DEEPSEEK_V3,
    GEMMA_3_4B,
    GPT_OSS_120B,
    LLAMA_2_7B,
    LLAMA_31_8B,
    QWEN3_30B_A3B,
    dense,
)

from whichweights.planning.training.adapters import adapter_parameters, trained_embeddings
from whichweights_schemas.deployment import LoraTargets
from whichweights_schemas.models import ModelSpec, ParameterCounts

LLAMA_32_3B = dense(
    "meta-llama/Llama-3.2-3B",
    3_212_749_824,
    layers=28,
    hidden=3072,
    width=8192,
    heads=(24, 8),
    vocab=128_256,
    tied=True,
)
QWEN3_14B = dense(
    "Qwen/Qwen3-14B",
    14_768_307_200,
    layers=40,
    hidden=5120,
    width=17_408,
    heads=(40, 8),
    vocab=151_936,
)


@pytest.mark.parametrize(
    ("spec", "rank", "targets", "printed"),
    [
        (LLAMA_32_3B, 32, "query_value", 9_175_040),  # PEFT method comparison
        (LLAMA_32_3B, 64, "query_value", 18_350_080),
        (LLAMA_32_3B, 16, "all_linear", 24_313_856),  # Unsloth notebook
        (LLAMA_2_7B, 8, "query_value", 4_194_304),  # litgpt resource tables
        (LLAMA_31_8B, 16, "all_linear", 41_943_040),
        (QWEN3_14B, 16, "all_linear", 64_225_280),  # Unsloth notebook
        (QWEN3_14B, 32, "all_linear", 128_450_560),
    ],
)
def test_the_count_equals_what_the_trainer_printed(
    spec: ModelSpec, rank: int, targets: LoraTargets, printed: int
):
    assert adapter_parameters(spec, rank, targets) == printed


def test_routed_experts_are_trained_only_when_asked_for():
    without = adapter_parameters(GPT_OSS_120B, 8, "all_linear")
    assert without == adapter_parameters(GPT_OSS_120B, 8, "attention")
    assert adapter_parameters(GPT_OSS_120B, 8, "all_linear_and_experts") > 50 * without


def test_embedding_and_head_count_once_when_they_are_one_matrix():
    matrix = 128_256 * 3072
    assert trained_embeddings(LLAMA_32_3B, "all_linear_and_embeddings") == matrix
    assert trained_embeddings(LLAMA_31_8B, "all_linear_and_embeddings") == 2 * 128_256 * 4096
    assert trained_embeddings(LLAMA_31_8B, "all_linear") == 0


def test_a_model_of_unknown_shape_gets_the_rule_of_its_size():
    unknown = ModelSpec(
        id="8B",
        display_name="8B",
        parameters=ParameterCounts(total=8_030_261_248),
        stated_layers=32,
    )
    exact = adapter_parameters(LLAMA_31_8B, 16, "all_linear")
    assert adapter_parameters(unknown, 16, "all_linear") == pytest.approx(exact, rel=0.25)


@given(st.sampled_from([LLAMA_31_8B, GEMMA_3_4B, DEEPSEEK_V3, QWEN3_30B_A3B]), st.integers(1, 1024))
def test_the_count_is_proportional_to_the_rank_and_grows_with_the_targets(
    spec: ModelSpec, rank: int
):
    kinds: tuple[LoraTargets, ...] = (
        "query_value",
        "attention",
        "all_linear",
        "all_linear_and_experts",
    )
    counts = [adapter_parameters(spec, rank, targets) for targets in kinds]
    assert counts == sorted(counts)
    assert counts == [rank * adapter_parameters(spec, 1, targets) for targets in kinds]
