"""Which formats are considered, which are left out and why, and in which order they stand."""

from __future__ import annotations

from math import isclose

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from specs import (
    ALL,
    DEEPSEEK_V3,
    GEMMA_3_4B,
    GIB,
    GPT_OSS_120B,
    LLAMA_31_8B,
    LLAMA_33_70B,
    QWEN3_32B,
    SIZE_ONLY,
    gpu,
    host,
)

from whichweights.planning.choices import native_format
from whichweights.planning.formats import published_loss
from whichweights.planning.gguf_files import gguf_file
from whichweights.planning.quantize import (
    BALANCED_LOSS,
    FormatOption,
    FormatPlans,
    LeftOut,
    Quality,
    formats_to_consider,
    is_balanced,
    plan_formats,
    serving_engine,
)
from whichweights.planning.quantize_making import needs_of, recipe_of
from whichweights.planning.quantize_ways_out import WayOut, fitting_sibling, ways_out
from whichweights.planning.recipes import NoRecipe, Recipe
from whichweights.planning.running import RunRequest, plan_run
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.deployment import Engine
from whichweights_schemas.models import ModelSpec

ADA = {"compute_capability": "8.9"}
QUALITIES: tuple[Quality, ...] = ("best", "balanced", "smallest")


def on(
    *devices: Accelerator,
    engine: Engine | None = None,
    memory: Accelerator | None = None,
    context: int | None = None,
) -> RunRequest:
    return RunRequest(accelerators=devices, memory=memory, engine=engine, context_tokens=context)


def ada(gib: float) -> Accelerator:
    return gpu(gib).model_copy(update=ADA)


def option(spec: ModelSpec, name: str, *devices: Accelerator) -> FormatOption:
    (found,) = plan_formats(spec, on(*devices), "best", only=name).options
    return found


def left(plans: FormatPlans, name: str) -> LeftOut:
    return next(one for one in plans.left_out if one.name == name)


specs = st.sampled_from(ALL)
sizes = st.floats(2, 900)


@settings(max_examples=60)
@given(spec=specs, gib=sizes, quality=st.sampled_from(QUALITIES))
def test_everything_ranked_fits_and_nothing_is_lost_on_the_way(
    spec: ModelSpec, gib: float, quality: Quality
):
    request = on(ada(gib))
    plans = plan_formats(spec, request, quality)
    assert {one.plan.verdict for one in plans.ranked} in ({"fits"}, {"tight"}, set[str]())
    names = [one.name for one in plans.ranked] + [one.name for one in plans.left_out]
    asked = [run.quantization for run in formats_to_consider(spec, None, request.accelerators)]
    assert sorted(names) == sorted(asked)


@settings(max_examples=60)
@given(spec=specs, gib=sizes)
def test_best_never_puts_a_worse_published_loss_before_a_better_one(spec: ModelSpec, gib: float):
    ranked = plan_formats(spec, on(ada(gib)), "best").ranked
    losses = [one.loss.value for one in ranked if one.loss is not None]
    assert losses == sorted(losses)
    native = [index for index, one in enumerate(ranked) if one.native]
    assert native in ([], [0])


@settings(max_examples=60)
@given(spec=specs, gib=sizes)
def test_smallest_is_sorted_by_the_size_of_the_file(spec: ModelSpec, gib: float):
    found = [one.file_bytes for one in plan_formats(spec, on(ada(gib)), "smallest").ranked]
    assert found == sorted(found)


@settings(max_examples=60)
@given(spec=specs, gib=sizes)
def test_balanced_starts_with_the_smallest_that_loses_little(spec: ModelSpec, gib: float):
    ranked = plan_formats(spec, on(ada(gib)), "balanced").ranked
    within = [one for one in ranked if is_balanced(one)]
    assert list(ranked[: len(within)]) == within
    if within:
        assert within[0].file_bytes == min(one.file_bytes for one in within)
    assert all(one.loss.value <= BALANCED_LOSS for one in within if one.loss is not None)
    beyond = [one.loss.value for one in ranked[len(within) :] if one.loss is not None]
    assert beyond == sorted(beyond)
    assert all(value > BALANCED_LOSS for value in beyond)


def test_an_unmeasured_format_stands_behind_the_measured_ones_of_as_many_bits():
    names = [one.name for one in plan_formats(LLAMA_31_8B, on(ada(80)), "best").ranked]
    assert names.index("Q8_0") < names.index("FP8") < names.index("Q6_K")
    assert names.index("Q4_K_S") < names.index("AWQ-Int4") < names.index("Q3_K_L")


def test_a_loss_is_shown_only_where_it_was_published():
    for one in plan_formats(LLAMA_31_8B, on(ada(80)), "best").options:
        assert one.loss == (None if one.native else published_loss(one.name))
        if one.name in ("AWQ-Int4", "FP8", "NVFP4", "bnb-NF4"):
            assert one.loss is None


def test_bits_per_weight_are_of_the_model_and_not_of_a_table():
    # llama-quantize's own figure for Llama-3.1-8B; Gemma's large tied embedding makes it another.
    assert isclose(
        option(LLAMA_31_8B, "Q4_K_M", ada(24)).bits_per_weight or 0, 4.8944, abs_tol=1e-4
    )
    gemma = option(GEMMA_3_4B, "Q4_K_M", ada(24)).bits_per_weight
    assert gemma is not None
    assert gemma > 5.0


def test_the_file_counts_embeddings_and_a_header_but_no_vision_tower():
    planned = option(LLAMA_31_8B, "Q4_K_M", ada(24))
    assert planned.weight_bytes == 4_912_898_304 - 64 * 4
    # The published file has 4,920,739,168 bytes; this spec names no tokenizer family.
    assert isclose(planned.file_bytes, 4_920_739_168, rel_tol=0.001)


def test_formats_larger_than_the_makers_own_are_left_out():
    plans = plan_formats(GPT_OSS_120B, on(ada(96)), "best")
    assert [one.name for one in plans.ranked] == ["MXFP4"]
    assert "larger than the maker's own MXFP4" in left(plans, "Q8_0").reason
    assert "as many bits as the maker's own MXFP4" in left(plans, "AWQ-Int4").reason
    deepseek = plan_formats(DEEPSEEK_V3, on(ada(96)), "best")
    assert left(deepseek, "Q8_0").kind == "larger"


def test_a_format_asked_for_is_planned_even_if_it_is_larger():
    plans = plan_formats(GPT_OSS_120B, on(ada(200)), "best", only="Q8_0")
    assert [one.name for one in plans.ranked] == ["Q8_0"]


def test_what_the_engine_cannot_run_there_is_left_out_with_the_reason():
    volta = gpu(32, "V100").model_copy(update={"compute_capability": "7.0"})
    plans = plan_formats(LLAMA_31_8B, on(volta), "best")
    assert left(plans, "FP8").reason == "vLLM does not run this format on volta"
    assert left(plans, "AWQ-Int4").kind == "unsupported"


def test_apple_devices_get_mlx_formats_and_others_do_not():
    mac = Accelerator(name="M3 Max", kind="apple", vendor="Apple", total_bytes=48 * GIB)
    for_mac = {
        run.quantization: run.engine for run in formats_to_consider(LLAMA_31_8B, None, [mac])
    }
    assert for_mac["MLX-4bit"] == "mlx"
    assert for_mac["Q4_K_M"] == "llama.cpp"
    assert "AWQ-Int4" not in for_mac
    for_gpu = {run.quantization for run in formats_to_consider(LLAMA_31_8B, None, [ada(24)])}
    assert "MLX-4bit" not in for_gpu


@pytest.mark.parametrize("engine", ["vllm", "sglang", "transformers", "ollama", "mlx"])
def test_an_engine_asked_for_is_the_only_one(engine: Engine):
    runs = formats_to_consider(LLAMA_31_8B, engine, [ada(24)])
    assert {run.engine for run in runs} == {engine}
    assert runs[0].quantization == native_format(LLAMA_31_8B)


def test_tight_plans_are_ranked_only_where_nothing_fits_with_certainty():
    on_device = option(LLAMA_31_8B, "Q4_K_M", ada(24)).plan.devices[0]
    between = gpu((on_device.needed_bytes + on_device.needed_high_bytes) / 2 / GIB)
    alone = plan_formats(LLAMA_31_8B, on(between), "best", only="Q4_K_M")
    assert [one.plan.verdict for one in alone.ranked] == ["tight"]
    among = plan_formats(LLAMA_31_8B, on(between), "best")
    assert left(among, "Q4_K_M").kind == "tight"


def test_an_unknown_free_memory_gives_plans_without_a_verdict():
    device = Accelerator(name="something", vendor="NVIDIA", compute_capability="9.0")
    plans = plan_formats(LLAMA_31_8B, on(device), "balanced")
    assert {one.plan.verdict for one in plans.ranked} == {"unknown"}
    assert all(one.headroom_bytes is None for one in plans.ranked)


def test_system_memory_beside_a_device_makes_nothing_fit():
    plans = plan_formats(LLAMA_33_70B, on(ada(12), memory=host(256)), "best")
    assert plans.ranked == ()


def test_without_a_device_the_system_memory_decides():
    plans = plan_formats(LLAMA_31_8B, on(memory=host(16)), "best")
    assert plans.ranked[0].name == "Q8_0"
    assert {one.planned.run.engine for one in plans.ranked} == {"llama.cpp"}


def test_a_model_of_unknown_shape_is_planned_from_its_size():
    plans = plan_formats(SIZE_ONLY, on(ada(24)), "balanced")
    one = next(one for one in plans.ranked if one.name == "Q4_K_M")
    assert isclose(one.bits_per_weight or 0, 4.8944, abs_tol=0.001)
    assert gguf_file(SIZE_ONLY, "Q4_K_M") is None


@settings(max_examples=30)
@given(spec=specs, name=st.sampled_from(("Q8_0", "Q4_K_M", "IQ2_XXS")))
def test_making_a_gguf_file_takes_the_source_its_sixteen_bit_copy_and_the_result(
    spec: ModelSpec, name: str
):
    one = option(spec, name, ada(900))
    recipe = recipe_of(spec, one)
    assert isinstance(recipe, Recipe)
    needs = needs_of(recipe)
    count = spec.parameters.language or spec.parameters.total or 0
    steps = {step.makes: step.disk_bytes or 0 for step in recipe.steps}
    assert isclose(steps["bf16.gguf"], 2 * count, rel_tol=0.03)
    assert needs.disk_bytes == sum(steps.values())
    assert steps[f"model-{name}.gguf"] >= one.weight_bytes * 0.9
    assert needs.gpu is False


@settings(max_examples=20)
@given(spec=specs, name=st.sampled_from(("AWQ-Int4", "GPTQ-Int4", "NVFP4", "W4A16")))
def test_making_a_checkpoint_takes_the_sixteen_bit_model_in_memory(spec: ModelSpec, name: str):
    one = option(spec, name, ada(900))
    recipe = recipe_of(spec, one)
    assert isinstance(recipe, Recipe)
    needs = needs_of(recipe)
    count = spec.parameters.language or spec.parameters.total or 0
    assert isclose(needs.ram_bytes or 0, 2 * count, rel_tol=0.03)
    assert (needs.gpu, needs.calibration) == (True, True)


def test_calibration_is_named_where_the_format_or_its_published_loss_needs_it():
    wanted = {"Q4_K_M": False, "IQ4_XS": True, "IQ2_XXS": True, "FP8": False, "AWQ-Int4": True}
    found = {
        name: needs_of(recipe_of(LLAMA_31_8B, option(LLAMA_31_8B, name, ada(80)))).calibration
        for name in wanted
    }
    assert found == wanted


def test_quantizing_holds_the_largest_tensor_twice_as_float32():
    needs = needs_of(recipe_of(LLAMA_31_8B, option(LLAMA_31_8B, "Q4_K_M", ada(24))))
    assert needs.ram_bytes == 8 * 128_256 * 4096


def test_measuring_importance_takes_the_sixteen_bit_model_in_memory():
    needs = needs_of(recipe_of(LLAMA_31_8B, option(LLAMA_31_8B, "IQ4_XS", ada(24))))
    assert isclose(needs.ram_bytes or 0, 2 * 8_030_261_248, rel_tol=0.001)


def test_a_publishers_mix_cannot_be_made_and_its_tensors_are_not_known():
    one = option(LLAMA_31_8B, "UD-Q4_K_XL", ada(24))
    recipe = recipe_of(LLAMA_31_8B, one)
    assert isinstance(recipe, NoRecipe)
    assert needs_of(recipe).disk_bytes is None
    assert "download it" in needs_of(recipe).reason
    assert gguf_file(LLAMA_31_8B, "UD-Q4_K_XL") is None


def test_tensor_types_are_counted_on_the_model_itself():
    file = gguf_file(LLAMA_31_8B, "Q4_K_M")
    assert file is not None
    # As llama-quantize prints for this model; 64 + 1 norms stay F32.
    assert file.mixture.counts == {"Q4_K": 193, "Q6_K": 33, "F32": 65}
    assert gguf_file(LLAMA_31_8B, "AWQ-Int4") is None


def test_serving_is_an_engine_of_data_centre_devices():
    assert serving_engine(LLAMA_31_8B, [gpu(80, "H100 SXM5 80GB", "HBM3")]) == "vllm"
    assert serving_engine(LLAMA_31_8B, [ada(24)]) is None


# --- when nothing fits


def ways(spec: ModelSpec, request: RunRequest, quality: Quality = "balanced") -> list[WayOut]:
    return list(ways_out(spec, request, plan_formats(spec, request, quality), quality))


def test_there_is_no_way_out_where_a_good_format_fits():
    assert ways(LLAMA_31_8B, on(ada(24))) == []


def test_the_smallest_format_is_named_with_what_it_takes():
    first = ways(DEEPSEEK_V3, on(ada(24)))[0]
    assert first.change.startswith("IQ1_M")
    assert first.plan.verdict == "does_not_fit"


def test_a_shorter_context_is_the_longest_that_fits():
    request = on(ada(12), context=131_072)
    way = next(one for one in ways(LLAMA_31_8B, request) if one.change.startswith("context"))
    assert way.plan.verdict == "fits"
    tokens = way.plan.settings.context_tokens
    smallest = min(
        plan_formats(LLAMA_31_8B, request, "balanced").options, key=lambda one: one.plan.total
    )
    longer = smallest.planned.planner.place(context_tokens=tokens + 1)
    assert longer.verdict != "fits"


def test_a_smaller_cache_is_offered_only_if_it_helps():
    changes = [one.change for one in ways(LLAMA_31_8B, on(ada(12), context=131_072))]
    assert any(change.startswith("KV cache in q8_0") for change in changes)
    changes = [one.change for one in ways(DEEPSEEK_V3, on(ada(24)))]
    assert not any(change.startswith("KV cache") for change in changes)


@settings(max_examples=25)
@given(spec=st.sampled_from((QWEN3_32B, LLAMA_33_70B, DEEPSEEK_V3, GPT_OSS_120B)))
def test_the_system_memory_named_is_enough(spec: ModelSpec):
    request = on(ada(8))
    way = next(one for one in ways(spec, request) if one.host_bytes is not None)
    assert way.host_bytes is not None
    run = next(
        one.planned.run
        for one in plan_formats(spec, request, "balanced").options
        if way.change.startswith(one.name)
    )
    enough = on(ada(8), memory=host(way.host_bytes / GIB + 0.001))
    assert plan_run(spec, enough, run).plan.verdict == "fits_with_offload"


def test_known_system_memory_gives_a_plan_that_uses_it():
    found = ways(LLAMA_33_70B, on(ada(24), memory=host(64)))
    assert [one.plan.verdict for one in found] == ["fits_with_offload"]
    assert found[0].host_bytes is None
    assert found[0].change.startswith("IQ4_XS with")


def test_offload_is_no_way_out_of_an_engine_that_has_none():
    assert not any("system memory" in w.change for w in ways(QWEN3_32B, on(ada(8), engine="vllm")))


def test_a_sibling_counts_only_if_it_fits_on_the_devices():
    assert fitting_sibling(LLAMA_31_8B, on(ada(8))) is not None
    assert fitting_sibling(LLAMA_33_70B, on(ada(8), memory=host(256))) is None
