"""What popular articles say of quantization, and what the product answers instead.

Each test names the claim, then asks as somebody would who read it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from math import isclose
from typing import Any

import pytest

from whichweights import open_toolbox, resources
from whichweights.toolbox import Toolbox
from whichweights_schemas.tools.quantize_plan import TagMeaning

LLAMA = "llama 3.1 8b"


@pytest.fixture
async def toolbox() -> AsyncIterator[Toolbox]:
    async with open_toolbox() as tools:
        yield tools


async def meaning(toolbox: Toolbox, tag: str) -> TagMeaning:
    found = (await toolbox.quantize_plan(tag=tag)).tag_meaning
    assert found is not None
    return found


async def term(toolbox: Toolbox, name: str) -> dict[str, Any]:
    return json.loads(await resources.read(toolbox, f"whichweights://glossary/{name}"))


async def test_q4_is_not_four_bits_a_weight(toolbox: Toolbox):
    # "Q4 means that each weight takes 4 bits."
    found = await meaning(toolbox, "Q4_K_M")
    assert found.nominal_bits == 4
    assert found.bits_per_weight == 4.8944
    assert found.block_layout is not None
    assert "4.5 bits per weight" in found.block_layout
    plan = (await toolbox.quantize_plan(model=LLAMA, tag="Q4_K_M", accelerators="24GiB")).plans[0]
    naive = 8_030_261_248 * 4 / 8 / 2**30
    assert plan.file_gib / naive > 1.2


async def test_a_quarter_of_sixteen_bits_is_too_small_outside_gguf_as_well(toolbox: Toolbox):
    # "int4 takes a quarter of the memory of fp16."
    result = await toolbox.quantize_plan(model=LLAMA, tag="AWQ", accelerators="H100 80GB")
    (plan,) = result.plans
    assert plan.bits_per_weight is not None
    assert plan.bits_per_weight > 5.5
    assert result.tag_meaning is not None
    assert any("lm_head" in note for note in (await meaning(toolbox, "AWQ")).tensors)


async def test_k_is_a_family_of_blocks_and_not_measured_importance(toolbox: Toolbox):
    # "K means that important tensors keep more precision."
    found = await meaning(toolbox, "Q4_K_M")
    assert found.lineage == "k-quant"
    assert "super-blocks of 256" in found.meaning
    result = await toolbox.quantize_plan(model=LLAMA, tag="Q4_K_M", accelerators="24GiB")
    lifted = next(row for row in result.tensors if (row.tensors, row.type) == ("attn_v", "Q6_K"))
    assert lifted.layers == "0-3,6,9,12,15,18,21,24,27-31"
    assert "not from measured importance" in (await term(toolbox, "k-quant"))["meaning"]


async def test_m_says_how_many_tensors_are_lifted(toolbox: Toolbox):
    # "M is the medium mix": it holds.
    small, medium = await meaning(toolbox, "Q4_K_S"), await meaning(toolbox, "Q4_K_M")
    assert "medium" in medium.meaning
    assert (small.bits_per_weight or 0) < (medium.bits_per_weight or 0)


async def test_q4_k_m_loses_less_than_q4_0_at_nearly_the_same_size(toolbox: Toolbox):
    # "Q4_K_M beats Q4_0": it holds on the one model it was published for, which is named.
    plans = {
        name: (await toolbox.quantize_plan(model=LLAMA, tag=name, accelerators="24GiB")).plans[0]
        for name in ("Q4_K_M", "Q4_0")
    }
    losses = {name: plan.quality_loss for name, plan in plans.items()}
    better, worse = losses["Q4_K_M"], losses["Q4_0"]
    assert better is not None
    assert worse is not None
    assert isclose(better.value, 0.0313, abs_tol=1e-4)
    assert isclose(worse.value, 0.0719, abs_tol=1e-4)
    assert better.model == worse.model == "Llama 3 8B"


async def test_fewer_bits_do_not_always_lose_more(toolbox: Toolbox):
    # "Lower digits lose more": types of another lineage reorder it.
    iq4, q4 = [
        (await toolbox.quantize_plan(model=LLAMA, tag=name, accelerators="24GiB")).plans[0]
        for name in ("IQ4_XS", "Q4_0")
    ]
    assert iq4.file_gib < q4.file_gib
    assert iq4.quality_loss is not None
    assert q4.quality_loss is not None
    assert iq4.quality_loss.value < q4.quality_loss.value


async def test_quantizing_costs_little_down_to_a_point_and_then_a_lot(toolbox: Toolbox):
    # "Post-training quantization costs little accuracy."
    result = await toolbox.quantize_plan(
        model=LLAMA, accelerators="80GiB", engine="llama.cpp", quality="best", limit=20
    )
    values = {p.format: p.quality_loss.value for p in result.plans if p.quality_loss is not None}
    assert values["Q8_0"] < values["Q6_K"] < values["Q5_K_M"] < 0.02
    assert values["Q2_K"] > 0.4
    assert values["IQ1_M"] > 1


async def test_the_maker_s_checkpoint_is_sixteen_bits_or_fewer_and_not_float32(toolbox: Toolbox):
    # "The typical step is from float32 to int8": dated.
    natives: dict[str, str | None] = {}
    for model in (LLAMA, "deepseek-ai/DeepSeek-V3", "openai/gpt-oss-120b"):
        settings = (await toolbox.quantize_plan(model=model, accelerators="24GiB")).settings
        assert settings is not None
        natives[model] = settings.native_format
    assert list(natives.values()) == ["BF16", "FP8-block", "MXFP4"]


async def test_an_fp8_checkpoint_is_one_byte_a_weight(toolbox: Toolbox):
    # Some calculators take two.
    result = await toolbox.quantize_plan(
        model="deepseek-ai/DeepSeek-V3", tag="FP8-block", accelerators="8x H200"
    )
    assert result.plans
    assert result.plans[0].bits_per_weight is not None
    assert 8 <= result.plans[0].bits_per_weight < 8.3


async def test_zeros_save_memory_only_in_a_sparse_format(toolbox: Toolbox):
    # "Sparsity cuts memory in training and inference."
    found = await term(toolbox, "sparsity")
    assert "only in a sparse storage format" in found["memory"]
    assert "No evidence" in found["evidence"]


async def test_deepseek_r1_is_no_small_model(toolbox: Toolbox):
    # "DeepSeek R1 is a smaller model": it is the teacher of its small namesakes.
    described = await toolbox.describe_model(model="deepseek-ai/DeepSeek-R1")
    assert described.parameters is not None
    assert described.parameters.total is not None
    assert described.parameters.total > 670_000_000_000
    result = await toolbox.quantize_plan(model="deepseek-ai/DeepSeek-R1", accelerators="RTX 4090")
    assert result.plans == ()
    assert "684 billion" in (await term(toolbox, "distillation"))["memory"]


async def test_a_low_rank_cache_is_a_figure_and_not_a_promise(toolbox: Toolbox):
    # "Low-rank factorization keeps most capacity": the memory is checkable, the loss is not.
    found = await term(toolbox, "low-rank factorization")
    assert f"{61 * 128 * (192 + 128) * 2:,}" in found["memory"]
    result = await toolbox.estimate_vram(
        model="deepseek-ai/DeepSeek-V3", accelerators="8x H200", engine="vllm"
    )
    assert result.kv_cache.bytes_per_token is not None
    assert "70,272" in found["memory"]
    assert result.kv_cache.bytes_per_token % 70_272 == 0
    assert "No comparable measurement" in found["evidence"]


@pytest.mark.parametrize(
    "name", ["pruning", "quantization-aware training", "sparsity", "low-rank factorization"]
)
async def test_where_no_evidence_was_found_the_answer_says_so(toolbox: Toolbox, name: str):
    # "Pruning keeps performance", "QAT is often better": no comparable evidence.
    assert (await term(toolbox, name))["evidence"].startswith("No ")


async def test_a_format_without_published_loss_gets_none(toolbox: Toolbox):
    # Tables in circulation give AWQ or NVFP4 a loss measured on other models and texts.
    result = await toolbox.quantize_plan(
        model=LLAMA, accelerators="RTX 5090", engine="vllm", limit=20
    )
    assert {plan.format for plan in result.plans} >= {"AWQ-Int4", "NVFP4"}
    for plan in result.plans:
        assert plan.quality_loss is None
        assert plan.quality_note
