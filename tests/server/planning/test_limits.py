"""The largest values that fit: one more does not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from specs import (
    GEMMA_3_27B,
    LLAMA_31_8B,
    LLAMA_33_70B,
    QWEN3_30B_A3B,
    QWEN3_32B,
    deployment,
    gpu,
    host,
)

from whichweights.planning.inference import InferencePlanner
from whichweights.planning.limits import find_limits
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.deployment import Engine
from whichweights_schemas.models import ModelSpec


@settings(max_examples=40)
@given(
    spec=st.sampled_from((LLAMA_31_8B, QWEN3_32B, GEMMA_3_27B, QWEN3_30B_A3B)),
    engine=st.sampled_from(("llama.cpp", "vllm", "transformers", "mlx")),
    gib=st.floats(6, 60),
)
def test_one_token_or_sequence_more_does_not_fit(spec: ModelSpec, engine: Engine, gib: float):
    planner = InferencePlanner(spec, deployment(engine, "Q4_K_M", 4096, gpu(gib)))
    limits = find_limits(planner)
    tokens, sequences = limits.max_context_tokens, limits.max_concurrent_sequences
    assert tokens is not None
    assert sequences is not None
    if tokens:
        assert planner.place(context_tokens=tokens).verdict == "fits"
    if tokens < (spec.max_context_tokens or 0):
        assert planner.place(context_tokens=tokens + 1).verdict != "fits"
    else:
        assert limits.capped_by_window
    if sequences:
        assert planner.place(sequences=sequences).verdict == "fits"
    assert planner.place(sequences=sequences + 1).verdict != "fits"


@settings(max_examples=40)
@given(
    spec=st.sampled_from((LLAMA_31_8B, QWEN3_32B, LLAMA_33_70B)),
    gib=st.floats(1, 60),
)
def test_one_layer_more_does_not_fit(spec: ModelSpec, gib: float):
    planner = InferencePlanner(spec, deployment("llama.cpp", "Q4_K_M", 4096, gpu(gib)))
    layers = find_limits(planner).gpu_layers
    assert layers is not None
    if layers:
        assert planner.device_room(layers) >= 0
    if layers < planner.layers:
        assert planner.device_room(layers + 1) < 0


def test_a_4090_runs_qwen3_32b_q4_k_m_to_about_17_thousand_tokens():
    planner = InferencePlanner(QWEN3_32B, deployment("llama.cpp", "Q4_K_M", 32_768, gpu(23.5)))
    limits = find_limits(planner)
    assert limits.max_context_tokens is not None
    assert 16_384 < limits.max_context_tokens < 20_480
    assert limits.max_concurrent_sequences == 0
    assert not limits.capped_by_window


def test_the_window_caps_the_context_and_says_so():
    planner = InferencePlanner(LLAMA_31_8B, deployment("llama.cpp", "Q4_K_M", 8192, gpu(79)))
    limits = find_limits(planner)
    assert limits.max_context_tokens == 131_072
    assert limits.capped_by_window
    assert limits.gpu_layers == 32


def test_unknown_memory_gives_no_limits_and_the_reason():
    device = Accelerator(name="GPU", vendor="NVIDIA")
    limits = find_limits(InferencePlanner(LLAMA_31_8B, deployment("vllm", "BF16", 8192, device)))
    assert limits.max_context_tokens is None
    assert limits.max_concurrent_sequences is None
    assert {field for field, _ in limits.reasons} == {
        "max_context_tokens",
        "max_concurrent_sequences",
        "gpu_layers",
    }


@pytest.mark.parametrize("engine", ["vllm", "transformers"])
def test_engines_that_keep_no_single_layers_in_system_memory_have_no_gpu_layers(engine: Engine):
    where = deployment(engine, "BF16", 8192, gpu(79), memory=host(64))
    limits = find_limits(InferencePlanner(LLAMA_31_8B, where))
    assert limits.gpu_layers is None
    assert limits.reasons[0][0] == "gpu_layers"
