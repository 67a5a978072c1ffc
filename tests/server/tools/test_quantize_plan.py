"""quantize_plan through the toolbox and the built-in providers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from math import isclose

import pytest

from whichweights import open_toolbox
from whichweights.planning.quantize import LeftOut
from whichweights.toolbox import Toolbox
from whichweights.tools._quantize_text import left_out_rows
from whichweights_schemas.errors import (
    InvalidArgument,
    ModelNotFound,
    UnknownAccelerator,
    UnknownQuantization,
)
from whichweights_schemas.tools.quantize_plan import QuantizePlanResult

LLAMA = "llama 3.1 8b"
MOST_WORDS = 120
TOP_FIELDS = set(QuantizePlanResult.model_fields)


@pytest.fixture
async def toolbox() -> AsyncIterator[Toolbox]:
    async with open_toolbox() as tools:
        yield tools


def unknown_fields(result: QuantizePlanResult) -> str:
    return " ".join(gap.field for gap in result.unknown)


# --- what a tag means


async def test_a_tag_is_explained_with_the_model_its_bits_hold_for(toolbox: Toolbox):
    meaning = (await toolbox.quantize_plan(tag="Q4_K_M")).tag_meaning
    assert meaning is not None
    assert meaning.format == "Q4_K_M"
    assert meaning.container == "gguf"
    assert meaning.lineage == "k-quant"
    assert meaning.nominal_bits == 4
    assert meaning.bits_per_weight == 4.8944
    assert meaning.bits_per_weight_model == "Llama-3.1-8B"
    assert meaning.block_layout is not None
    assert "super-block of 256" in meaning.block_layout
    assert "attn_v, ffn_down: Q6_K in 16 of 32 layers, Q4_K in the rest" in meaning.tensors


async def test_a_file_name_is_read_by_its_tag(toolbox: Toolbox):
    meaning = (await toolbox.quantize_plan(tag="Qwen3-8B-Q5_K_M.gguf")).tag_meaning
    assert meaning is not None
    assert meaning.tag == "Qwen3-8B-Q5_K_M.gguf"
    assert meaning.format == "Q5_K_M"


async def test_a_repository_tag_is_explained_by_its_formula(toolbox: Toolbox):
    meaning = (await toolbox.quantize_plan(tag="AWQ-4bit")).tag_meaning
    assert meaning is not None
    assert meaning.format == "AWQ-Int4"
    assert meaning.bits_per_weight == 4.15625
    assert meaning.bits_per_weight_model is None
    assert any("16/128" in note for note in meaning.notes)
    assert any("lm_head" in line and "16 bit" in line for line in meaning.tensors)


async def test_a_publishers_mix_has_no_bits_and_a_reason(toolbox: Toolbox):
    result = await toolbox.quantize_plan(tag="UD-Q4_K_XL")
    assert result.tag_meaning is not None
    assert result.tag_meaning.bits_per_weight is None
    (gap,) = [gap for gap in result.unknown if gap.field == "tag_meaning.bits_per_weight"]
    assert "read the file" in gap.reason


async def test_a_removed_type_names_its_replacement(toolbox: Toolbox):
    answer = await toolbox.call("quantize_plan", {"tag": "Q4_0_4_8"})
    assert "removed from llama.cpp" in answer.text
    assert "use Q4_0" in answer.text
    assert answer.structured["tag_meaning"]["bits_per_weight"] is None


async def test_an_unknown_tag_is_refused_with_the_nearest(toolbox: Toolbox):
    with pytest.raises(UnknownQuantization) as caught:
        await toolbox.quantize_plan(tag="Q4_K_N")
    assert caught.value.field == "tag"
    assert "Q4_K_M" in caught.value.suggestions


async def test_neither_tag_nor_model_is_refused(toolbox: Toolbox):
    with pytest.raises(InvalidArgument, match="model or tag"):
        await toolbox.quantize_plan()


# --- plans of a model


@pytest.mark.parametrize("machine", ["8GiB", "24GiB", "H100 80GB", "M3 Max 64GB", "RTX 4090"])
async def test_the_smallest_good_format_comes_first(toolbox: Toolbox, machine: str):
    result = await toolbox.quantize_plan(model=LLAMA, accelerators=machine)
    assert [plan.rank for plan in result.plans] == [1, 2, 3]
    assert {plan.verdict for plan in result.plans} == {"fits"}
    first = result.plans[0]
    assert first.format == "IQ4_XS"
    assert isclose(first.bits_per_weight or 0, 4.46, abs_tol=0.005)
    assert first.quality_loss is not None
    assert isclose(first.quality_loss.value, 0.0363, abs_tol=1e-4)
    assert first.quality_loss.model == "Llama 3 8B"
    sizes = [plan.file_gib for plan in result.plans]
    assert sizes == sorted(sizes)
    assert set(result.also_fit).isdisjoint(plan.format for plan in result.plans)


async def test_the_figures_of_a_plan_agree_with_estimate_vram(toolbox: Toolbox):
    machine = "RTX 4090"
    result = await toolbox.quantize_plan(model=LLAMA, accelerators=machine, limit=20)
    for plan in result.plans:
        other = await toolbox.estimate_vram(
            model=LLAMA, accelerators=machine, quantization=plan.format, engine=plan.engine
        )
        assert plan.total_gib == other.memory_gib.total
        assert (plan.low_gib, plan.high_gib) == (other.memory_gib.low, other.memory_gib.high)
        assert plan.verdict == other.verdict
        speed = other.speed.decode_tokens_per_second
        assert plan.decode_tokens_per_second == (None if speed is None else speed.value)


async def test_a_mac_gets_its_own_formats(toolbox: Toolbox):
    result = await toolbox.quantize_plan(model=LLAMA, accelerators="M3 Max 64GB", limit=20)
    engines = {plan.format: plan.engine for plan in result.plans}
    assert engines["MLX-4bit"] == "mlx"
    assert "AWQ-Int4" not in engines


async def test_best_on_a_large_device_is_the_makers_own_format(toolbox: Toolbox):
    result = await toolbox.quantize_plan(model=LLAMA, accelerators="H100 80GB", quality="best")
    assert result.plans[0].format == "BF16"
    assert result.plans[0].quality_loss is None
    assert result.plans[0].quality_note == "the maker's own format: nothing is lost"
    assert result.plans[1].format == "Q8_0"


async def test_a_format_without_a_measurement_says_so(toolbox: Toolbox):
    result = await toolbox.quantize_plan(model=LLAMA, accelerators="H100 80GB", engine="vllm")
    first = result.plans[0]
    assert first.engine == "vllm"
    assert first.quality_loss is None
    assert first.quality_note == "no comparable measurement"
    assert first.decode_tokens_per_second is None
    assert "plans.decode_tokens_per_second" in unknown_fields(result)


async def test_a_data_centre_device_is_pointed_to_the_serving_engine(toolbox: Toolbox):
    result = await toolbox.quantize_plan(model=LLAMA, accelerators="H100 80GB")
    assert any("engine=vllm" in warning for warning in result.warnings)


async def test_a_target_replaces_the_machine(toolbox: Toolbox):
    result = await toolbox.quantize_plan(model=LLAMA, target_gib=6, accelerators="H100 80GB")
    assert result.settings is not None
    assert result.settings.accelerators == ("6 GiB target",)
    assert all(plan.high_gib < 6 + 0.6 for plan in result.plans)
    assert any("target_gib replaces accelerators" in warning for warning in result.warnings)
    assert not any(report.kind == "accelerators" for report in result.providers)


async def test_larger_formats_than_the_native_one_are_excluded_with_the_reason(toolbox: Toolbox):
    result = await toolbox.quantize_plan(model="openai/gpt-oss-120b", accelerators="H100 80GB")
    assert [plan.format for plan in result.plans] == ["MXFP4"]
    row = next(row for row in result.excluded if "Q8_0" in row.format)
    assert "larger than the maker's own MXFP4" in row.reason


async def test_an_unreached_quality_is_said_with_the_way_to_it(toolbox: Toolbox):
    result = await toolbox.quantize_plan(
        model="meta-llama/Llama-3.3-70B-Instruct", accelerators=["RTX 4090", "64GiB RAM"]
    )
    assert result.plans[0].quality_loss is not None
    assert result.plans[0].quality_loss.value > 0.05
    assert any("at most 0.05" in warning for warning in result.warnings)
    assert "fits with offload" in result.if_nothing_fits[0]
    assert result.settings is not None
    assert result.settings.system_memory_gib == 62


# --- nothing fits


async def test_nothing_fits_says_what_would(toolbox: Toolbox):
    result = await toolbox.quantize_plan(model="deepseek-ai/DeepSeek-V3", accelerators="RTX 4090")
    assert result.plans == ()
    smallest, offload = result.if_nothing_fits[:2]
    assert smallest.startswith("IQ1_M is the smallest planned: 1")
    assert "system memory has" in offload
    assert any("does not fit" in row.reason for row in result.excluded)


async def test_a_smaller_sibling_that_fits_is_named(toolbox: Toolbox):
    result = await toolbox.quantize_plan(model="qwen3 32b", accelerators="8GiB")
    (sibling,) = [line for line in result.if_nothing_fits if line.startswith("smaller sibling")]
    name, format_name = sibling.removeprefix("smaller sibling ").split(": ")[0].split(" as ")
    checked = await toolbox.estimate_vram(model=name, quantization=format_name, accelerators="8GiB")
    assert checked.verdict in ("fits", "tight")


async def test_a_tag_that_does_not_fit_leads_back_to_the_others(toolbox: Toolbox):
    result = await toolbox.quantize_plan(model=LLAMA, tag="Q8_0", accelerators="8GiB")
    assert result.plans == ()
    assert [row.format for row in result.excluded] == ["Q8_0"]
    assert any("leave out tag" in line for line in result.if_nothing_fits)


# --- a tag and a model


async def test_a_tag_with_a_model_plans_only_that_format(toolbox: Toolbox):
    result = await toolbox.quantize_plan(model=LLAMA, tag="Q4_K_M", accelerators="RTX 4090")
    assert [plan.format for plan in result.plans] == ["Q4_K_M"]
    assert result.tag_meaning is not None
    assert result.tensor_types == {"Q4_K": 193, "Q6_K": 33, "F32": 65}
    assert result.excluded == ()


async def test_a_removed_type_is_planned_as_its_replacement(toolbox: Toolbox):
    result = await toolbox.quantize_plan(model=LLAMA, tag="Q4_0_4_8", accelerators="RTX 4090")
    assert [plan.format for plan in result.plans] == ["Q4_0"]
    assert any("planned as Q4_0" in warning for warning in result.warnings)


async def test_a_projector_file_is_no_format_of_a_model(toolbox: Toolbox):
    with pytest.raises(UnknownQuantization, match="projector"):
        await toolbox.quantize_plan(model=LLAMA, tag="mmproj-Q8_0.gguf")


async def test_a_publishers_mix_is_planned_with_a_band_and_no_recipe(toolbox: Toolbox):
    result = await toolbox.quantize_plan(model=LLAMA, tag="UD-Q4_K_XL", accelerators="RTX 4090")
    (plan,) = result.plans
    assert plan.high_gib - plan.total_gib > 0.4
    assert plan.needs.disk_gib is None
    assert "plans.needs" in unknown_fields(result)
    assert any("only the file tells" in warning for warning in result.warnings)


# --- the answer as a whole


CASES = (
    {"tag": "Q4_K_M"},
    {"tag": "UD-Q4_K_XL"},
    {"model": LLAMA, "accelerators": "8GiB"},
    {"model": LLAMA, "accelerators": "T4"},
    {"model": LLAMA, "accelerators": "RX 7900 XTX"},
    {"model": LLAMA, "tag": "Q4_K_M", "accelerators": "RTX 4090"},
    {"model": "Qwen/Qwen3-30B-A3B-Thinking-2507", "accelerators": "V100"},
    {"model": "deepseek-ai/DeepSeek-V3", "accelerators": "8x H100 80GB"},
    {"model": "deepseek-ai/DeepSeek-V3", "accelerators": "RTX 4090"},
    {"model": "70B", "accelerators": "2x RTX 4090"},
    {"model": LLAMA, "accelerators": "RTX 4090", "limit": 20, "quality": "smallest"},
)


@pytest.mark.parametrize("arguments", CASES, ids=str)
async def test_an_answer_is_short_and_says_what_it_does_not_consider(
    toolbox: Toolbox, arguments: dict[str, object]
):
    result = await toolbox.quantize_plan(**arguments)
    answer = await toolbox.call("quantize_plan", arguments)
    assert not answer.is_error
    assert len(answer.text.split()) <= MOST_WORDS
    assert len(result.excluded) <= 8
    if "model" in arguments and "tag" not in arguments:
        assert any("not considered" in gap.reason for gap in result.unknown)
    for plan in result.plans:
        assert bool(plan.commands) == (plan.rank == 1 and plan.needs.disk_gib is not None)
        assert bool(plan.verify) == bool(plan.commands)
        assert plan.low_gib <= plan.total_gib <= plan.high_gib
        assert plan.headroom_gib is not None
        assert plan.headroom_gib >= 0
        assert plan.quality_loss is not None or plan.quality_note
    if result.plans:
        assert "plans.ready_made" in unknown_fields(result)
    for entry in result.evidence:
        assert {name.split(".")[0] for name in entry.fields} <= TOP_FIELDS


@pytest.mark.parametrize("arguments", CASES[:-1], ids=str)
async def test_a_default_answer_stays_within_its_tokens(
    toolbox: Toolbox, arguments: dict[str, object]
):
    # Measured here with the o200k_base encoding that count_tokens serves. A format asked for comes
    # with the type of each tensor and what each step takes.
    answer = await toolbox.call("quantize_plan", arguments)
    texts = [answer.text, json.dumps(answer.structured, ensure_ascii=False, separators=(",", ":"))]
    used = 0
    for text in texts:
        counted = await toolbox.count_tokens(models="o200k_base", text=text)
        used += counted.counts[0].tokens or 0
    assert 0 < used <= (2_500 if "tag" in arguments and "model" in arguments else 1_500)


async def test_unknown_models_and_devices_are_refused(toolbox: Toolbox):
    with pytest.raises(ModelNotFound):
        await toolbox.quantize_plan(model="nobody knows this one", accelerators="24GiB")
    with pytest.raises(UnknownAccelerator):
        await toolbox.quantize_plan(model=LLAMA, accelerators="Abacus 9000")


@pytest.mark.parametrize("size", [0, -1, "much"])
async def test_a_senseless_target_is_refused(toolbox: Toolbox, size: object):
    with pytest.raises(InvalidArgument) as caught:
        await toolbox.quantize_plan(model=LLAMA, target_gib=size)
    assert caught.value.field == "target_gib"


def test_more_reasons_than_rows_are_named_in_the_last_row():
    left = [LeftOut(f"F{number}", "unsupported", f"reason {number}") for number in range(11)]
    rows = left_out_rows(left)
    assert len(rows) == 8
    assert rows[-1].format == "F7, F8, F9, F10"
