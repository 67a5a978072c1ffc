"""Memory claims in circulation, against what estimate_vram answers.

One test a claim: the answer has the figure, names the rule where one is behind the claim, and says
how far off it is. The claim in our words stands in the test's docstring.
"""

from __future__ import annotations

from typing import Any

import pytest

from whichweights.toolbox import Toolbox
from whichweights_schemas.tools.estimate_vram import EstimateVramResult, RuleOfThumb

GIB_PER_GB = 1e9 / 2**30
LLAMA_8B = "meta-llama/Llama-3.1-8B-Instruct"
LLAMA_70B = "meta-llama/Llama-3.3-70B-Instruct"
N_SQUARED = "weights + one n x n attention matrix in 16 bits"


async def ask(tools: Toolbox, model: str, *devices: str, **arguments: Any) -> EstimateVramResult:
    return await tools.estimate_vram(model=model, accelerators=list(devices), **arguments)


def rule(answer: EstimateVramResult, name: str) -> RuleOfThumb:
    """The rule of that name; its error is what the rule says against the answer's own total."""
    found = {rule.rule: rule for rule in answer.rules_of_thumb}[name]
    total = answer.memory_gib.total
    assert found.error_percent == pytest.approx(100 * (found.gib / total - 1), abs=0.1)
    return found


async def test_a_70b_does_not_need_200_gb_at_8k_and_takes_many_long_sequences_to_get_there(
    tools: Toolbox,
) -> None:
    """Claimed: attention and cache bring a 70B in 16 bits beyond 200 GB."""
    short = await ask(tools, LLAMA_70B, "4x H100 80GB", quantization="native", engine="vllm")
    memory = short.memory_gib
    assert memory.weights == pytest.approx(141.1 * GIB_PER_GB, rel=0.002)
    assert memory.kv_cache == pytest.approx(2.5, rel=0.001)
    assert short.kv_cache.bytes_per_token == 327_680
    assert memory.high < 200 * GIB_PER_GB
    assert rule(short, "a 70B model needs 200 GB").error_percent > 15
    long = await ask(
        tools,
        LLAMA_70B,
        "4x H100 80GB",
        quantization="native",
        engine="vllm",
        context_tokens=131_072,
        concurrent_sequences=2,
    )
    assert long.memory_gib.kv_cache == pytest.approx(80.0, rel=0.001)
    assert long.memory_gib.total > 200 * GIB_PER_GB


async def test_consumer_devices_do_not_end_at_24_gb(tools: Toolbox) -> None:
    """Claimed: the largest consumer GPU holds 24 GB."""
    card = await ask(tools, "Qwen/Qwen3-32B", "RTX 5090", quantization="Q5_K_M")
    assert card.devices[0].total_gib == pytest.approx(32_607 / 1024, rel=0.01)
    assert card.verdict == "fits"
    smaller = await ask(tools, "Qwen/Qwen3-32B", "RTX 4090", quantization="Q5_K_M")
    assert smaller.verdict != "fits"
    shared = await ask(tools, "openai/gpt-oss-120b", "M3 Max 128GB")
    assert shared.devices[0].total_gib is not None
    assert shared.devices[0].total_gib > 90
    assert shared.verdict == "fits"


async def test_a_70b_in_16_bits_runs_on_two_80_gb_cards_with_little_room(tools: Toolbox) -> None:
    """Claimed: a 70B in 16 bits takes four A100."""
    four = await ask(tools, LLAMA_70B, "4x A100 80GB", quantization="native", engine="vllm")
    assert four.verdict == "fits"
    two = await ask(
        tools,
        LLAMA_70B,
        "2x A100 80GB",
        quantization="native",
        engine="vllm",
        options={"gpu_memory_utilization": 0.97},
    )
    assert two.verdict in ("fits", "tight")
    room = [device.headroom_gib for device in two.devices]
    assert all(left is not None and left < 10 for left in room)


async def test_four_bits_make_a_70b_larger_than_half_a_byte_a_parameter(tools: Toolbox) -> None:
    """Claimed: at 4 bits a 70B is 35 GB."""
    answer = await ask(tools, LLAMA_70B, "48GiB", quantization="Q4_K_M")
    assert answer.memory_gib.weights == pytest.approx(42.5 * GIB_PER_GB, rel=0.002)
    short = rule(answer, "4 bits a parameter, nothing else")
    assert short.gib == pytest.approx(35.3 * GIB_PER_GB, rel=0.002)
    assert short.error_percent < -15


async def test_no_attention_matrix_of_20_gb_is_built_at_100k_tokens(tools: Toolbox) -> None:
    """Claimed: at 100K tokens the matrix of attention scores takes 20 GB and more on top."""
    asked: dict[str, Any] = {"quantization": "Q4_K_M", "context_tokens": 100_000}
    answer = await ask(tools, LLAMA_8B, "RTX 5090", **asked)
    assert answer.memory_gib.kv_cache == pytest.approx(13.1 * GIB_PER_GB, rel=0.01)
    assert answer.memory_gib.activations < 0.5
    matrix = rule(answer, N_SQUARED)
    assert matrix.gib == pytest.approx(answer.memory_gib.weights + 20 * GIB_PER_GB, rel=0.001)
    assert matrix.error_percent > 20
    latent = await ask(tools, "deepseek-ai/DeepSeek-V3", "1TiB", context_tokens=100_000)
    assert latent.memory_gib.kv_cache == pytest.approx(7.0 * GIB_PER_GB, rel=0.01)


async def test_without_flash_attention_scores_are_built_for_one_micro_batch(tools: Toolbox) -> None:
    """Claimed: scores of all tokens against all; what an engine without flash attention builds
    are those of one micro-batch."""
    answer = await ask(
        tools,
        LLAMA_8B,
        "RTX 5090",
        quantization="Q4_K_M",
        context_tokens=100_000,
        engine="llama.cpp",
        options={"flash_attention": False},
    )
    assert answer.memory_gib.activations == pytest.approx(6.8 * GIB_PER_GB, rel=0.02)
    assert N_SQUARED not in {rule.rule for rule in answer.rules_of_thumb}


@pytest.mark.parametrize(
    ("engine", "quantization", "least", "most"),
    [
        ("transformers", "native", 50, 110),
        ("vllm", "native", 40, 110),
        ("llama.cpp", "Q4_K_M", 40, 110),
    ],
)
async def test_inference_does_not_need_twice_the_model(
    tools: Toolbox, engine: str, quantization: str, least: float, most: float
) -> None:
    """Claimed: inference takes 2.1 times the size of the model."""
    answer = await ask(tools, LLAMA_8B, "H100 80GB", engine=engine, quantization=quantization)
    doubled = rule(answer, "2.1 x the model size")
    assert doubled.gib == pytest.approx(
        2.1 * (answer.parts[0].gib + _others(answer, "token embedding")), abs=0.01
    )
    assert least < doubled.error_percent < most


def _others(answer: EstimateVramResult, name: str) -> float:
    return sum(part.gib for part in answer.parts if part.name == name)


@pytest.mark.parametrize("workload", ["lora", "qlora", "full_finetune"])
async def test_fine_tuning_is_no_multiple_of_the_model(tools: Toolbox, workload: str) -> None:
    """Claimed: fine-tuning takes about 12 times the size of the model."""
    answer = await ask(
        tools,
        LLAMA_8B,
        "H100 80GB",
        workload=workload,
        options={"sequence_length": 2048, "micro_batch": 1},
    )
    twelve = rule(answer, "12 x the weights")
    assert twelve.error_percent > 60
    assert answer.memory_gib.low < answer.memory_gib.total < answer.memory_gib.high


@pytest.mark.parametrize(("quantization", "share"), [("Q8_0", 53), ("Q4_K_M", 31), ("Q2_K", 20)])
async def test_no_one_share_of_the_size_holds_for_all_quantized_models(
    tools: Toolbox, quantization: str, share: float
) -> None:
    """Claimed: a quantized model takes 70 % of its size."""
    answer = await ask(tools, LLAMA_8B, "RTX 4090", quantization=quantization)
    sixteen_bit = 2 * 8_030_261_248 / 2**30
    assert 100 * answer.memory_gib.weights / sixteen_bit == pytest.approx(share, abs=0.6)
    assert rule(answer, "quantized: 70 % of the 16-bit size").error_percent > 10


async def test_weights_and_activations_are_not_all_there_is(tools: Toolbox) -> None:
    """Claimed: inference memory is parameters and activations."""
    answer = await ask(
        tools, LLAMA_8B, "H100 80GB", quantization="native", engine="vllm", context_tokens=32_768
    )
    names = {part.name for part in answer.parts}
    assert {"KV cache", "non-torch memory", "CUDA graphs", "CUDA context"} <= names
    assert rule(answer, "weights + activations").error_percent < -15


@pytest.mark.parametrize(
    ("name", "seen_gib"), [("H100 80GB", 79.19), ("A100 80GB", 81_920 / 1024)], ids=["H100", "A100"]
)
async def test_80_gb_is_a_name_and_the_device_row_has_what_an_engine_sees(
    tools: Toolbox, name: str, seen_gib: float
) -> None:
    """Claimed: such a card has 80 GB; that is neither 80e9 bytes nor always 80 GiB."""
    answer = await ask(tools, LLAMA_8B, name, quantization="native", engine="vllm")
    total = answer.devices[0].total_gib
    assert total == pytest.approx(seen_gib, abs=0.01)
    assert total != pytest.approx(80 * GIB_PER_GB, abs=1)
    assert any("devices.total_gib" in entry.fields for entry in answer.evidence)


async def test_weights_need_not_all_live_in_gpu_memory(tools: Toolbox) -> None:
    """Claimed: parameters live in GPU memory; layers and experts can stay in system memory."""
    answer = await ask(tools, "openai/gpt-oss-120b", "RTX 4090", "128GiB RAM")
    assert answer.verdict == "fits_with_offload"
    card, memory = answer.devices
    assert card.total_gib is not None
    assert card.needed_gib < card.total_gib
    assert memory.kind == "cpu"
    assert memory.needed_gib > 30
