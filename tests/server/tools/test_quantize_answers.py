"""quantize_plan: the KV cache, the order of formats, and the one thing its text says to do."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from whichweights import open_toolbox
from whichweights.toolbox import Toolbox

LLAMA = "llama 3.1 8b"


@pytest.fixture
async def toolbox() -> AsyncIterator[Toolbox]:
    async with open_toolbox() as tools:
        yield tools


async def test_a_smaller_cache_is_named_with_the_better_format_it_lets_in(toolbox: Toolbox):
    arguments = {"model": "Qwen/Qwen3-32B", "accelerators": "RTX 4090", "context_tokens": 32_768}
    result = await toolbox.quantize_plan(**arguments)
    assert result.plans[0].format == "IQ3_M"
    assert result.kv_cache is not None
    # 64 layers x 8 heads x 128 x 2 at 2 bytes, 32,768 tokens; Q8_0 stores 34 bytes for 32 values.
    assert (result.kv_cache.type, result.kv_cache.gib) == ("f16", 8.0)
    smaller = result.kv_cache.smaller[0]
    assert (smaller.type, smaller.saves_gib) == ("q8_0", 8 - 8 * 34 / 64)
    assert smaller.lets_fit[0] == "IQ4_XS"
    assert smaller.engines == ("llama.cpp", "ollama")
    text = (await toolbox.call("quantize_plan", arguments)).text
    assert "IQ4_XS fits with the KV cache in q8_0 (-ctk q8_0 -ctv q8_0 -fa on)" in text
    planned = await toolbox.estimate_vram(
        **arguments, quantization="IQ4_XS", kv_cache_type="q8_0", engine="llama.cpp"
    )
    assert planned.verdict == "fits"


async def test_a_cache_type_that_changes_nothing_and_saves_little_is_not_named(toolbox: Toolbox):
    result = await toolbox.quantize_plan(
        model="Qwen/Qwen3-32B", accelerators="RTX 5090", context_tokens=2_048
    )
    assert result.kv_cache is not None
    assert result.kv_cache.smaller == ()


@pytest.mark.parametrize(
    ("device", "first"),
    [("RTX 5090", "NVFP4"), ("RTX 4090", "AWQ-Int4"), ("H100 80GB", "AWQ-Int4")],
)
async def test_of_unmeasured_four_bit_formats_the_one_the_device_computes_in_leads(
    toolbox: Toolbox, device: str, first: str
):
    result = await toolbox.quantize_plan(model="qwen3 14b", accelerators=device, engine="vllm")
    assert result.plans[0].format == first


async def test_best_puts_unmeasured_formats_of_more_bits_first(toolbox: Toolbox):
    result = await toolbox.quantize_plan(
        model=LLAMA, accelerators="H100 80GB", engine="vllm", quality="best", limit=6
    )
    formats = [plan.format for plan in result.plans]
    assert formats[:2] == ["BF16", "FP8"]
    assert formats[-1] != "FP8"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"model": LLAMA, "accelerators": "RTX 4060 8GB"},
            "`llama-quantize --imatrix imatrix.gguf bf16.gguf model-IQ4_XS.gguf IQ4_XS`",
        ),
        (
            {"model": "openai/gpt-oss-120b", "accelerators": "H200"},
            "Get it: `hf download openai/gpt-oss-120b --local-dir source`",
        ),
        (
            {"model": LLAMA, "tag": "UD-Q4_K_XL", "accelerators": "RTX 4090"},
            "Its publisher chose a type per tensor and gives no recipe: download it.",
        ),
        (
            {"model": LLAMA, "tag": "AutoRound", "accelerators": "H100 80GB"},
            "`auto-round --model meta-llama/Llama-3.1-8B-Instruct --scheme W4A16 ",
        ),
        (
            {"model": LLAMA, "tag": "EXL2-4.0bpw", "accelerators": "RTX 4090"},
            "only ExLlama (TabbyAPI) reads this format. To have it: weights ",
        ),
        ({"model": LLAMA, "accelerators": "M3 Max 64GB"}, "Q4_K_S is the K-quant to take instead"),
    ],
)
async def test_the_text_says_the_one_thing_to_do(
    toolbox: Toolbox, arguments: dict[str, object], words: str
):
    assert words in (await toolbox.call("quantize_plan", arguments)).text


@pytest.mark.parametrize("tag", ["Q4_K_M", "AWQ", "bnb-NF4", "FP8", "MLX-4bit", "GPTQ-Int4"])
async def test_what_a_plan_needs_in_memory_is_a_figure_with_its_origin(toolbox: Toolbox, tag: str):
    device = "M3 Max 64GB" if tag.startswith("MLX") else "H100 80GB"
    result = await toolbox.quantize_plan(model=LLAMA, tag=tag, accelerators=device)
    (plan,) = result.plans
    assert plan.needs.ram_gib
    assert any("plans.needs.ram_gib" in entry.fields and entry.source for entry in result.evidence)
