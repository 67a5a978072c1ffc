"""The plan against memory somebody measured and published: logs and tables, source in each row."""

from __future__ import annotations

import json
from math import isclose
from pathlib import Path
from typing import Any

import pytest
from specs import (
    LLAMA_2_7B,
    LLAMA_31_8B,
    MIB,
    QWEN3_8B,
    QWEN25_7B,
    deployment,
    gpu,
    host,
)

from whichweights.planning.inference import plan_inference
from whichweights.planning.memory_types import MemoryPlan
from whichweights_schemas.deployment import EngineOptions

_DATA = Path(__file__).parents[2] / "data" / "memory_cases.jsonl"
_CASES: list[dict[str, Any]] = [
    json.loads(line) for line in _DATA.read_text(encoding="utf-8").splitlines()
]
_SPECS = {spec.id: spec for spec in (LLAMA_2_7B, LLAMA_31_8B, QWEN25_7B, QWEN3_8B)}


def _of(kind: str) -> list[dict[str, Any]]:
    return [case for case in _CASES if case["kind"] == kind]


def _name(case: dict[str, Any]) -> str:
    return f"{case['model'].split('/')[-1]}-{case['quantization']}-{case['context_tokens']}"


def _counted(plan: MemoryPlan) -> tuple[int, int, int]:
    """(bytes, low, high) that the framework's own counter sees."""
    parts = [part for part in plan.parts if part.group != "runtime"]
    return (
        sum(part.bytes for part in parts),
        sum(part.low for part in parts),
        sum(part.high for part in parts),
    )


@pytest.mark.parametrize("case", _of("llama.cpp"), ids=_name)
def test_llama_cpp_buffers_are_what_the_log_prints(case: dict[str, Any]):
    options = EngineOptions(
        engine_version=case["engine_version"],
        ubatch_tokens=case["ubatch_tokens"],
        flash_attention=case["flash_attention"],
    )
    where = deployment(
        "llama.cpp",
        case["quantization"],
        case["context_tokens"],
        gpu(80),
        kv=case["kv_cache_type"],
        memory=host(64),
        options=options,
    )
    plan = plan_inference(_SPECS[case["model"]], where)
    assert plan.group_bytes("kv_cache") == case["kv_mib"] * MIB
    device = plan.devices[0]
    runtime = [part for part in plan.parts if part.group == "runtime"]
    on_device = device.needed_bytes - sum(part.bytes for part in runtime)
    measured = case["gpu_total_mib"] * MIB
    assert isclose(on_device, measured, rel_tol=0.01)
    low = device.needed_low_bytes - sum(part.low for part in runtime)
    high = device.needed_high_bytes - sum(part.high for part in runtime)
    assert low - MIB <= measured <= high


@pytest.mark.parametrize("case", _of("vllm"), ids=_name)
def test_vllm_parts_are_what_the_profile_prints(case: dict[str, Any]):
    ranks = case["tensor_parallel"]
    options = EngineOptions(
        engine_version=case["engine_version"],
        gpu_memory_utilization=case["gpu_memory_utilization"],
        tensor_parallel=ranks,
    )
    devices = [gpu(case["gpu_total_gib"], "H100", "HBM3")] * ranks
    where = deployment("vllm", "BF16", case["context_tokens"], *devices, options=options)
    plan = plan_inference(_SPECS[case["model"]], where)
    parts = {part.name: part for part in plan.parts}
    if case["weights_mib"]:
        weights = plan.group_bytes("weights") / ranks
        assert isclose(weights, case["weights_mib"] * MIB, rel_tol=0.01)
    measured = case["activation_mib"] * MIB * ranks
    peak = parts["activation peak"]
    assert isclose(peak.bytes, measured, rel_tol=0.09)
    assert peak.low <= measured <= peak.high
    non_torch = parts["non-torch memory"]
    assert non_torch.low <= case["nontorch_mib"] * MIB * ranks <= non_torch.high
    if case["kv_mib"]:
        pool = plan.cache.engine_reserves_bytes
        assert pool is not None
        assert isclose(pool, case["kv_mib"] * MIB * ranks, rel_tol=0.01)


@pytest.mark.parametrize(
    "case", _of("transformers"), ids=lambda case: f"{_name(case)}-prompt{case['prompt_tokens']}"
)
def test_transformers_peaks_are_within_ten_percent_and_in_the_band(case: dict[str, Any]):
    options = EngineOptions(
        engine_version=case["engine_version"], prompt_tokens=case["prompt_tokens"]
    )
    where = deployment(
        "transformers", case["quantization"], case["context_tokens"], gpu(80), options=options
    )
    size, low, high = _counted(plan_inference(_SPECS[case["model"]], where))
    measured = case["total_mib"] * MIB
    assert isclose(size, measured, rel_tol=0.10)
    assert low * 0.999 <= measured <= high


def test_the_cases_come_from_three_engines_and_name_their_sources():
    assert {case["kind"] for case in _CASES} == {"llama.cpp", "vllm", "transformers"}
    assert all(case["source"] for case in _CASES)
    assert len(_CASES) >= 30
