"""Single-stream speed: published measurements lie in the band, and no band without evidence."""

from __future__ import annotations

from math import isclose

import pytest
from specs import (
    LLAMA_2_7B,
    LLAMA_31_8B,
    LLAMA_33_70B,
    QWEN3_30B_A3B,
    deployment,
    gpu,
    host,
)

from whichweights.planning.inference import InferencePlanner
from whichweights.planning.speed import SpeedEstimate, estimate_speed
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.deployment import Engine
from whichweights_schemas.models import ModelSpec

GIB = 2**30


def speed(
    spec: ModelSpec,
    form: str,
    *devices: Accelerator,
    engine: Engine = "llama.cpp",
    memory: Accelerator | None = None,
) -> SpeedEstimate:
    planner = InferencePlanner(spec, deployment(engine, form, 512, *devices, memory=memory))
    return estimate_speed(planner, planner.plan())


def device(name: str, gb_per_second: float, memory: str | None = None) -> Accelerator:
    apple = name.startswith("M")
    return Accelerator(
        name=name,
        kind="apple" if apple else "gpu",
        vendor="Apple" if apple else "NVIDIA",
        total_bytes=96 * GIB,
        free_bytes=96 * GIB,
        memory_type=memory,
        memory_bandwidth_bytes_per_second=gb_per_second * 1e9,
    )


@pytest.mark.parametrize(
    ("where", "spec", "form", "measured"),
    [
        (device("RTX A6000", 768, "GDDR6"), LLAMA_31_8B, "Q4_K_M", 102.22),
        (device("RTX A6000", 768, "GDDR6"), LLAMA_33_70B, "Q4_K_M", 14.58),
        (device("M1 7-core", 68), LLAMA_2_7B, "Q8_0", 7.92),
    ],
    ids=["A6000-8B", "A6000-70B", "M1-7B"],
)
def test_published_measurements_lie_in_the_band(
    where: Accelerator, spec: ModelSpec, form: str, measured: float
):
    found = speed(spec, form, where).decode
    assert found is not None
    assert found.low <= measured <= found.high
    assert isclose(found.value, measured, rel_tol=0.25)


def test_a_moe_model_is_read_by_its_active_experts_with_a_wider_band():
    dense = speed(LLAMA_31_8B, "Q4_K_M", device("RTX 4090", 1008, "GDDR6X")).decode
    moe = speed(QWEN3_30B_A3B, "Q4_K_M", device("RTX 4090", 1008, "GDDR6X")).decode
    assert dense is not None
    assert moe is not None
    assert moe.value > dense.value
    assert moe.high / moe.low > dense.high / dense.low


@pytest.mark.parametrize("engine", ["vllm", "sglang", "transformers"])
def test_no_figure_for_engines_without_published_single_stream_speed(engine: Engine):
    found = speed(LLAMA_31_8B, "BF16", device("H100", 3350, "HBM3"), engine=engine)
    assert found.decode is None
    assert found.basis is None
    assert engine in found.reasons[0][1]


def test_prefill_is_unknown_with_a_reason():
    found = speed(LLAMA_31_8B, "Q4_K_M", device("RTX 4090", 1008, "GDDR6X"))
    assert found.prefill is None
    assert found.first_token_s is None
    assert [field for field, _ in found.reasons] == [
        "speed.prefill_tokens_per_second",
        "speed.time_to_first_token_s",
    ]


def test_offload_slows_down_and_says_that_it_is_assumed():
    offloaded = speed(LLAMA_33_70B, "Q4_K_M", gpu(23.5), memory=host(64))
    whole = speed(LLAMA_33_70B, "Q4_K_M", gpu(79))
    assert offloaded.decode is not None
    assert whole.decode is not None
    assert offloaded.decode.value < whole.decode.value / 2
    assert (offloaded.basis, whole.basis) == ("assumed", "fitted")


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        (Accelerator(name="X", vendor="Moore Threads", free_bytes=96 * GIB), "no measurements"),
        (
            Accelerator(name="GPU", vendor="NVIDIA", memory_type="GDDR6", free_bytes=96 * GIB),
            "bandwidth of GPU is not known",
        ),
    ],
)
def test_devices_nobody_measured_have_no_speed(where: Accelerator, reason: str):
    found = speed(LLAMA_31_8B, "Q4_K_M", where)
    assert found.decode is None
    assert reason in found.reasons[0][1]


def test_a_plan_that_does_not_fit_has_no_speed():
    assert speed(LLAMA_33_70B, "Q4_K_M", gpu(8)).decode is None
