"""The whole plan: sums, placement, verdicts."""

from __future__ import annotations

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
    LLAMA_33_70B,
    QWEN3_30B_A3B,
    QWEN3_32B,
    QWEN35_27B,
    SIZE_ONLY,
    deployment,
    gpu,
    host,
)

from whichweights.planning.inference import plan_inference
from whichweights.planning.memory_types import MemoryPlan, Part
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.deployment import Deployment, Engine, EngineOptions, TrainingOptions
from whichweights_schemas.errors import InvalidArgument
from whichweights_schemas.models import ModelSpec

ENGINES: tuple[Engine, ...] = ("llama.cpp", "ollama", "vllm", "sglang", "transformers", "mlx")


def consistent(plan: MemoryPlan) -> None:
    assert plan.total == sum(part.bytes for part in plan.parts)
    assert plan.low == sum(part.low for part in plan.parts)
    assert plan.high == sum(part.high for part in plan.parts)
    assert plan.total == sum(device.needed_bytes for device in plan.devices)
    assert plan.low == sum(device.needed_low_bytes for device in plan.devices)
    assert plan.high == sum(device.needed_high_bytes for device in plan.devices)
    for part in plan.parts:
        assert 0 <= part.low <= part.bytes <= part.high, part
    assert all(device.needed_bytes >= 0 for device in plan.devices)


@given(
    spec=st.sampled_from((*ALL, SIZE_ONLY)),
    engine=st.sampled_from(ENGINES),
    form=st.sampled_from(("native", "Q4_K_M", "BF16", "AWQ-Int4")),
    context=st.integers(1, 150_000),
    sequences=st.integers(1, 40),
    sizes=st.lists(st.floats(4, 200), max_size=5),
    memory=st.none() | st.floats(1, 2000),
)
def test_parts_and_devices_add_up_to_the_total(
    spec: ModelSpec,
    engine: Engine,
    form: str,
    context: int,
    sequences: int,
    sizes: list[float],
    memory: float | None,
):
    where = deployment(
        engine,
        form,
        context,
        *(gpu(size) for size in sizes),
        sequences=sequences,
        memory=None if memory is None else host(memory),
    )
    plan = plan_inference(spec, where)
    consistent(plan)
    assert plan == plan_inference(spec, where)


@given(
    spec=st.sampled_from(ALL),
    engine=st.sampled_from(ENGINES),
    context=st.integers(1, 100_000),
    more=st.integers(1, 10_000),
    sequences=st.integers(1, 30),
)
def test_more_tokens_or_sequences_never_lower_total_or_high(
    spec: ModelSpec, engine: Engine, context: int, more: int, sequences: int
):
    def plan(tokens: int, count: int) -> MemoryPlan:
        return plan_inference(spec, deployment(engine, "Q4_K_M", tokens, gpu(80), sequences=count))

    base, longer, wider = (
        plan(context, sequences),
        plan(context + more, sequences),
        plan(context, sequences + 1),
    )
    assert base.total <= longer.total
    assert base.high <= longer.high
    assert base.total <= wider.total
    assert base.high <= wider.high


def test_a_4090_holds_llama_3_1_8b_whole():
    where = deployment("llama.cpp", "Q4_K_M", 8192, gpu(23.5), memory=host(32))
    plan = plan_inference(LLAMA_31_8B, where)
    assert plan.verdict == "fits"
    assert plan.layers_on_devices == plan.layers == 32
    assert [device.kind for device in plan.devices] == ["gpu", "cpu"]


def test_qwen3_32b_at_32k_needs_offload_on_a_4090_and_fits_32_gb():
    small = deployment("llama.cpp", "Q4_K_M", 32_768, gpu(23.5), memory=host(32))
    plan = plan_inference(QWEN3_32B, small)
    assert plan.verdict == "fits_with_offload"
    assert plan.layers_on_devices is not None
    assert 40 < plan.layers_on_devices < 64
    large = deployment("llama.cpp", "Q4_K_M", 32_768, gpu(31.3), memory=host(32))
    assert plan_inference(QWEN3_32B, large).verdict == "fits"


def test_gemma_3_27b_at_131072_fits_32_gb_and_not_24():
    def verdict(gib: float) -> str:
        options = EngineOptions(cpu_offload="none")
        where = deployment("llama.cpp", "Q4_K_M", 131_072, gpu(gib), options=options)
        return plan_inference(GEMMA_3_27B, where).verdict

    assert verdict(23.5) == "does_not_fit"
    assert verdict(31.4) == "fits"


def test_experts_move_to_system_memory_before_whole_layers():
    where = deployment("llama.cpp", "native", 8192, gpu(23.5), memory=host(64))
    plan = plan_inference(GPT_OSS_120B, where)
    assert plan.verdict == "fits_with_offload"
    assert plan.layers_on_devices == 36
    assert 0 < plan.expert_layers_on_host < 36
    assert plan.devices[0].needed_high_bytes <= 23.5 * GIB


def test_one_expert_layer_less_in_system_memory_would_not_fit():
    where = deployment("llama.cpp", "native", 8192, gpu(23.5), memory=host(64))
    plan = plan_inference(GPT_OSS_120B, where)
    spare = 23.5 * GIB - plan.devices[0].needed_high_bytes
    assert spare < 36 * 128 * 3 * 2880 * 2880 * 17 / 32 / 36


def test_what_neither_device_nor_host_holds_does_not_fit():
    where = deployment("llama.cpp", "Q8_0", 8192, gpu(23.5), memory=host(32))
    assert plan_inference(LLAMA_33_70B, where).verdict == "does_not_fit"


def test_without_known_system_memory_offload_is_not_promised():
    plan = plan_inference(LLAMA_33_70B, deployment("llama.cpp", "Q4_K_M", 8192, gpu(23.5)))
    assert plan.verdict == "does_not_fit"
    assert any("system memory is not known" in warning for warning in plan.warnings)


def test_vllm_does_not_offload():
    where = deployment("vllm", "BF16", 8192, gpu(23.5), memory=host(512))
    assert plan_inference(LLAMA_33_70B, where).verdict == "does_not_fit"


def test_a_device_of_unknown_memory_gives_no_verdict():
    unknown = Accelerator(name="GPU", vendor="NVIDIA")
    plan = plan_inference(LLAMA_31_8B, deployment("vllm", "BF16", 8192, unknown))
    assert plan.verdict == "unknown"
    assert plan.cache.engine_reserves_bytes is None
    consistent(plan)


def test_tight_lies_between_total_and_high():
    def plan(gib: float) -> MemoryPlan:
        options = EngineOptions(cpu_offload="none")
        where = deployment("llama.cpp", "Q4_K_M", 8192, gpu(gib), options=options)
        return plan_inference(LLAMA_31_8B, where)

    needed = plan(80).devices[0]
    between = (needed.needed_bytes + needed.needed_high_bytes) / 2 / GIB
    assert plan(between).verdict == "tight"
    assert plan(needed.needed_high_bytes / GIB).verdict == "fits"
    assert plan(needed.needed_bytes / GIB - 0.01).verdict == "does_not_fit"


def test_memory_that_others_use_is_not_free():
    used = gpu(23.5).model_copy(update={"free_bytes": 4 * GIB})
    options = EngineOptions(cpu_offload="none")
    where = deployment("llama.cpp", "Q4_K_M", 8192, used, options=options)
    assert plan_inference(LLAMA_31_8B, where).verdict == "does_not_fit"


def test_the_utilization_of_vllm_is_a_budget():
    def verdict(share: float) -> str:
        options = EngineOptions(gpu_memory_utilization=share)
        where = deployment("vllm", "BF16", 8192, gpu(23.5), options=options)
        return plan_inference(LLAMA_31_8B, where).verdict

    assert verdict(0.95) == "fits"
    assert verdict(0.5) == "does_not_fit"


def test_the_pool_of_vllm_stands_beside_the_total():
    where = deployment("vllm", "BF16", 8192, gpu(79.19, "H100", "HBM3"))
    plan = plan_inference(LLAMA_31_8B, where)
    assert plan.group_bytes("kv_cache") == plan.cache.architecture_needs_bytes == GIB
    assert plan.cache.engine_reserves_bytes is not None
    assert plan.cache.engine_reserves_bytes > 50 * GIB
    assert plan.total < 25 * GIB


def test_ranks_hold_equal_shares_and_copies_of_mla_rows():
    devices = [gpu(140, "H200", "HBM3")] * 8
    plan = plan_inference(DEEPSEEK_V3, deployment("vllm", "native", 8192, *devices))
    needs = [device.needed_bytes for device in plan.devices]
    assert max(needs) - min(needs) <= 1
    copies = next(part for part in plan.parts if part.name == "KV cache copies")
    assert copies.bytes == 7 * (plan.cache.architecture_needs_bytes or 0)
    assert plan.verdict == "fits"


def test_devices_beyond_the_ranks_stay_empty():
    options = EngineOptions(tensor_parallel=2)
    devices = [gpu(79, "H100", "HBM3")] * 3
    where = deployment("vllm", "BF16", 8192, *devices, options=options)
    plan = plan_inference(LLAMA_31_8B, where)
    assert [device.needed_bytes > 0 for device in plan.devices] == [True, True, False]


def test_more_ranks_than_devices_are_refused():
    options = EngineOptions(tensor_parallel=4)
    with pytest.raises(InvalidArgument, match="4 x 1 ranks"):
        plan_inference(LLAMA_31_8B, deployment("vllm", "BF16", 8192, gpu(79), options=options))


def test_a_prompt_longer_than_the_context_is_refused():
    options = EngineOptions(prompt_tokens=9000)
    where = deployment("transformers", "BF16", 8192, gpu(79), options=options)
    with pytest.raises(InvalidArgument, match="longer than context_tokens"):
        plan_inference(LLAMA_31_8B, where)


def test_layers_are_split_in_proportion_to_free_memory():
    where = deployment("llama.cpp", "Q4_K_M", 8192, gpu(48), gpu(16), memory=host(64))
    plan = plan_inference(LLAMA_33_70B, where)
    first, second = plan.devices[0].layers, plan.devices[1].layers
    assert (first, second) == (61, 19)
    assert plan.layers_on_devices == 80


def test_a_given_number_of_gpu_layers_is_kept():
    options = EngineOptions(gpu_layers=10)
    where = deployment("llama.cpp", "Q4_K_M", 8192, gpu(23.5), memory=host(64), options=options)
    plan = plan_inference(LLAMA_31_8B, where)
    assert [device.layers for device in plan.devices] == [10, 22]
    assert plan.verdict == "fits_with_offload"


def test_all_experts_go_to_system_memory_when_asked():
    options = EngineOptions(cpu_offload="experts")
    where = deployment("llama.cpp", "Q4_K_M", 8192, gpu(23.5), memory=host(64), options=options)
    plan = plan_inference(QWEN3_30B_A3B, where)
    assert plan.expert_layers_on_host == 48
    assert plan.devices[0].needed_bytes < 4 * GIB
    consistent(plan)


def test_copies_of_experts_stand_on_the_first_device_only():
    def planned(version: str) -> tuple[MemoryPlan, Part]:
        options = EngineOptions(cpu_offload="experts", engine_version=version)
        where = deployment(
            "llama.cpp", "Q4_K_M", 8192, gpu(16), gpu(16), memory=host(64), options=options
        )
        plan = plan_inference(QWEN3_30B_A3B, where)
        consistent(plan)
        (copies,) = (part for part in plan.parts if part.name == "expert copies")
        assert copies.low == 0 < copies.high
        return plan, copies

    plan, copies = planned("b9500")
    slack = [device.needed_high_bytes - device.needed_bytes for device in plan.devices]
    assert slack[0] - slack[1] > 0.8 * (copies.high - copies.bytes)
    assert copies.bytes > 200 * 2**20
    assert planned("ik_llama.cpp 3712")[1].bytes == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_an_adapter_is_a_line_of_its_own(engine: Engine):
    def plan(rank: int | None) -> MemoryPlan:
        where = deployment(engine, "BF16", 8192, gpu(79), memory=host(64))
        return plan_inference(
            LLAMA_31_8B, where.model_copy(update={"training": TrainingOptions(lora_rank=rank)})
        )

    bare, served = plan(None), plan(64)
    consistent(served)
    adapter = next(part for part in served.parts if part.name == "LoRA adapter")
    assert adapter.bytes == 2 * 4 * 41_943_040
    assert served.total - bare.total >= adapter.bytes


@given(
    spec=st.sampled_from(ALL),
    engine=st.sampled_from(ENGINES),
    free=st.floats(1, 200),
    more=st.floats(0, 100),
)
def test_more_free_memory_never_makes_the_verdict_worse(
    spec: ModelSpec, engine: Engine, free: float, more: float
):
    order = ("does_not_fit", "fits_with_offload", "tight", "fits")

    def verdict(gib: float) -> int:
        device = gpu(300).model_copy(update={"free_bytes": round(gib * GIB)})
        where = deployment(engine, "Q4_K_M", 8192, device, memory=host(64))
        return order.index(plan_inference(spec, where).verdict)

    assert verdict(free) <= verdict(free + more)


def test_without_a_gpu_everything_lies_in_system_memory_and_there_is_no_runtime():
    plan = plan_inference(LLAMA_31_8B, deployment(memory=host(16)))
    assert plan.verdict == "fits"
    assert [device.name for device in plan.devices] == ["system memory"]
    assert plan.group_bytes("runtime") == 0
    assert plan_inference(LLAMA_31_8B, deployment(memory=host(4))).verdict == "does_not_fit"
    assert plan_inference(LLAMA_31_8B, deployment()).verdict == "unknown"


def test_unified_memory_holds_the_embedding_too_and_is_never_offloaded():
    size = 24 * GIB
    apple = Accelerator(name="M3 Pro", kind="apple", total_bytes=size, free_bytes=size)
    where = deployment("llama.cpp", "Q4_K_M", 8192, apple, memory=host(64))
    plan = plan_inference(LLAMA_31_8B, where)
    assert len(plan.devices) == 1
    assert not any(part.host for part in plan.parts)
    too_large = plan_inference(LLAMA_33_70B, where)
    assert too_large.verdict == "does_not_fit"


def test_total_without_runtime_is_what_the_framework_counts():
    plan = plan_inference(LLAMA_31_8B, deployment("transformers", "BF16", 8192, gpu(79)))
    counted = plan.total - plan.group_bytes("runtime")
    assert counted == sum(
        plan.group_bytes(group) for group in ("weights", "kv_cache", "activations")
    )
    assert plan.group_bytes("runtime") == 700 * 2**20


def test_a_context_beyond_the_window_is_a_warning_that_names_what_extends_it():
    plan = plan_inference(QWEN3_30B_A3B, deployment("vllm", "BF16", 100_000, gpu(79)))
    (warning,) = plan.warnings
    assert "beyond the model's window of 40,960" in warning
    assert "extends it to 131,072" in warning


def test_a_quantized_value_cache_without_flash_attention_is_a_warning():
    options = EngineOptions(flash_attention=False)
    where = deployment("llama.cpp", "Q4_K_M", 8192, gpu(23.5), kv="q8_0", options=options)
    assert any(
        "needs flash attention" in text for text in plan_inference(LLAMA_31_8B, where).warnings
    )


def test_what_is_left_out_or_assumed_is_said():
    plan = plan_inference(QWEN35_27B, deployment("llama.cpp", "Q4_K_M", 8192, gpu(23.5)))
    fields = {assumption.field for assumption in plan.assumptions}
    assert {"options.engine_version", "options.load_mtp", "options.load_vision"} <= fields
    assert all(assumption.basis == "assumed" for assumption in plan.assumptions)


def test_a_training_workload_is_refused_here():
    where = Deployment(
        engine="transformers", workload="lora", quantization="BF16", context_tokens=1
    )
    with pytest.raises(InvalidArgument, match="for inference"):
        plan_inference(LLAMA_31_8B, where)
