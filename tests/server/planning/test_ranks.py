"""Tensor- and pipeline-parallel ranks: what each holds, and the pool that is left."""

from __future__ import annotations

from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specs import (
    ALL,
    DEEPSEEK_V3,
    GEMMA_3_27B,
    LLAMA_31_8B,
    MIB,
    QWEN3_30B_A3B,
    deployment,
    gpu,
)

from whichweights.planning._ranks import COPIES, ROTARY_TABLE, stage_sizes
from whichweights.planning.inference import InferencePlanner, plan_inference
from whichweights.planning.memory_types import MemoryPlan
from whichweights.planning.weights import weigh
from whichweights_schemas.deployment import EngineOptions
from whichweights_schemas.models import ModelSpec


def plan(
    spec: ModelSpec, tensor: int, pipeline: int = 1, *, context: int = 8192, **options: object
) -> MemoryPlan:
    given_options = {"tensor_parallel": tensor, "pipeline_parallel": pipeline, **options}
    where = deployment(
        "vllm",
        "BF16",
        context,
        *(gpu(79.19),) * (tensor * pipeline),
        kv="bf16",
        options=EngineOptions.model_validate(given_options),
    )
    return plan_inference(spec, where)


@pytest.mark.parametrize(
    ("tensor", "pipeline", "printed_mib"),
    [(1, 1, 15_349.8), (2, 1, 7690.2), (4, 1, 3860.5), (1, 2, 7690.2), (1, 4, 4362.2)],
)
def test_the_fullest_rank_holds_the_weights_that_vllm_0_19_prints(
    tensor: int, pipeline: int, printed_mib: float
):
    found = plan(LLAMA_31_8B, tensor, pipeline, engine_version="0.19.0")
    others = sum(part.bytes for part in found.parts if part.group != "weights")
    fullest = max(device.needed_bytes for device in found.devices)
    weights = fullest - others / (tensor * pipeline)
    assert isclose(weights / MIB, printed_mib, rel_tol=0.001)


def test_the_pool_holds_the_tokens_that_vllm_0_19_prints():
    found = plan(
        LLAMA_31_8B, 1, engine_version="0.19.0", gpu_memory_utilization=0.95, max_num_seqs=1024
    )
    assert found.cache.pool_tokens is not None
    assert isclose(found.cache.pool_tokens, 476_016, rel_tol=0.005)
    assert found.cache.pool_tokens % 16 == 0
    assert found.cache.pool_sequences is not None
    assert isclose(found.cache.pool_sequences, found.cache.pool_tokens / 8192, rel_tol=0.001)


def test_kv_projections_are_copied_where_ranks_outnumber_kv_heads():
    weights = weigh(QWEN3_30B_A3B, "BF16", "vllm")
    assert weights.copies(1) == 0
    extra = weights.copies(8) - 7 * weights.replicated
    assert extra == 48 * 2 * 2 * 2048 * 4 * 128
    assert weights.copies(4) == 3 * weights.replicated


def test_mla_down_projections_and_routers_are_whole_on_every_rank():
    weights = weigh(DEEPSEEK_V3, "native", "vllm")
    routers = 58 * 2 * 7168 * 256
    down = 61 * (7168 * (512 + 64) + 7168 * 1536)
    assert weights.replicated > routers + down
    assert weights.replicated < 1.1 * (routers + down)


def test_a_tied_embedding_stands_on_the_first_and_on_the_last_stage():
    names = {part.name: part.bytes for part in plan(GEMMA_3_27B, 1, 2).parts}
    single = {part.name: part.bytes for part in plan(GEMMA_3_27B, 1).parts}
    embedding = 2 * 262_208 * 5376
    assert names[COPIES] == embedding + 2 * single[ROTARY_TABLE]


@given(
    layers=st.lists(st.integers(1, 1000), min_size=1, max_size=80),
    first=st.integers(0, 500),
    last=st.integers(0, 500),
    stages=st.integers(1, 8),
)
def test_stages_hold_all_layers_and_differ_by_one_at_most(
    layers: list[int], first: int, last: int, stages: int
):
    if stages > len(layers):
        stages = len(layers)
    sizes = stage_sizes(tuple(layers), first, last, stages)
    assert len(sizes) == stages
    assert sum(sizes) == sum(layers) + first + last
    counts = stage_sizes((1,) * len(layers), 0, 0, stages)
    assert max(counts) - min(counts) <= 1


@given(
    spec=st.sampled_from(ALL),
    tensor=st.integers(1, 4),
    pipeline=st.integers(1, 4),
    context=st.integers(1, 50_000),
)
def test_a_split_over_ranks_conserves_bytes(
    spec: ModelSpec, tensor: int, pipeline: int, context: int
):
    found = plan(spec, tensor, pipeline, context=context)
    assert found.total == sum(part.bytes for part in found.parts)
    assert found.total == sum(device.needed_bytes for device in found.devices)
    assert found.high == sum(device.needed_high_bytes for device in found.devices)


@given(context=st.integers(1, 131_072), sequences=st.integers(1, 20))
def test_vllm_rounds_every_sequence_up_to_pages_of_16_tokens(context: int, sequences: int):
    where = deployment("vllm", "BF16", context, gpu(79.19), kv="bf16", sequences=sequences)
    found = InferencePlanner(LLAMA_31_8B, where).plan()
    pages = -(-context // 16)
    assert found.group_bytes("kv_cache") == sequences * pages * 16 * 131_072
    assert found.cache.architecture_needs_bytes == sequences * context * 131_072
