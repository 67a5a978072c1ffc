"""Whatever sensible thing is asked of estimate_vram, its answer adds up."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whichweights.toolbox import Toolbox
from whichweights_schemas.tools.estimate_vram import EstimateVramResult

GROUPS = (
    "weights",
    "kv_cache",
    "recurrent_state",
    "activations",
    "gradients",
    "optimizer",
    "runtime",
)
BETTER = {"unknown": 0, "does_not_fit": 0, "fits_with_offload": 1, "tight": 2, "fits": 3}
WORDS = 140
ROUNDING = 0.0011
CARD = "RTX 4090"


def word_count(text: str) -> int:
    return len(text.split())


def gpus_of(answer: EstimateVramResult) -> list[Any]:
    return [device for device in answer.devices if device.kind != "cpu"]


plausible: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "model": st.sampled_from(
            [
                "llama 3.1 8b", "Qwen3 32B", "Qwen/Qwen3-30B-A3B", "deepseek-ai/DeepSeek-V3",
                "google/gemma-3-27b-it", "7B", "8x7B", "0.5B", "openai/gpt-oss-20b",
                "google-bert/bert-base-uncased", "Qwen/Qwen2.5-7B-Instruct",
                "nvidia/NVIDIA-Nemotron-Nano-9B-v2",
            ]
        ),
        "accelerators": st.sampled_from(
            [
                CARD, "24GiB", "2x RTX 3090", "3x RTX 4090", "H100 80GB", "8x H100 80GB",
                "M3 Max 64GB", "RX 7900 XTX", ["RTX 4090", "RTX 3090"], "32GiB RAM", "6x A100 40GB",
                ["RTX 4090", "64GiB RAM"], "Arc A770", "MI300X", "RTX A4000", "live", "P100",
                "M2 Ultra",
            ]
        ),
    },
    optional={
        "context_tokens": st.sampled_from([1, 512, "8k", 32_768, "128k", 1_000_000]),
        "concurrent_sequences": st.sampled_from([1, 4, 200]),
        "quantization": st.sampled_from(
            ["auto", "native", "Q4_K_M", "q8_0", "FP8", "AWQ", "MLX-4bit", "bf16", "IQ2_XXS"]
        ),
        "engine": st.sampled_from(
            ["auto", "llama.cpp", "ollama", "vllm", "sglang", "transformers", "mlx"]
        ),
        "kv_cache_type": st.sampled_from(["auto", "f16", "fp8", "q8_0"]),
        "options": st.fixed_dictionaries(
            {},
            optional={
                "cpu_offload": st.sampled_from(["auto", "none", "layers", "experts"]),
                "flash_attention": st.booleans(),
                "gpu_layers": st.integers(0, 90),
                "prompt_tokens": st.sampled_from([1, 512, 20_000]),
                "gpu_memory_utilization": st.floats(0.1, 1),
                "pipeline_parallel": st.sampled_from([1, 2, 3]),
                "tensor_parallel": st.sampled_from([1, 2, 3, 8]),
                "load_vision": st.booleans(),
                "engine_version": st.sampled_from(["b4000", "0.8.0", "x"]),
            },
        ),
    },
)  # fmt: skip


# The toolbox keeps nothing of a call, so that one may serve all examples of a test.
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arguments=plausible)
async def test_every_answer_adds_up_and_keeps_its_verdict(
    tools: Toolbox, arguments: dict[str, Any]
):
    called = await tools.call("estimate_vram", arguments)
    if called.is_error:
        assert called.structured["code"] == "invalid_argument", called.text
        assert called.structured["field"].startswith(("options.", "kv_cache_type"))
        return
    assert word_count(called.text) <= WORDS
    answer = EstimateVramResult.model_validate(called.structured)
    memory = answer.memory_gib
    assert sum(getattr(memory, group) for group in GROUPS) == pytest.approx(
        memory.total, abs=ROUNDING * len(GROUPS)
    )
    assert sum(part.gib for part in answer.parts) == pytest.approx(
        memory.total, abs=ROUNDING * len(answer.parts)
    )
    assert sum(d.count * d.needed_gib for d in answer.devices) == pytest.approx(
        memory.total, abs=ROUNDING * sum(d.count for d in answer.devices)
    )
    assert 0 < memory.low <= memory.total <= memory.high
    assert memory.gradients == memory.optimizer == 0
    verdict_follows_from_free_memory(answer)
    nothing_is_null_without_a_reason(answer)
    for alternative in answer.alternatives:
        assert BETTER[alternative.verdict] > BETTER[answer.verdict]
    assert len(answer.alternatives) <= 3


def verdict_follows_from_free_memory(answer: EstimateVramResult) -> None:
    memory, gpus = answer.memory_gib, gpus_of(answer)
    over = [d for d in gpus if d.free_gib is not None and d.needed_gib > d.free_gib + ROUNDING]
    if answer.verdict in ("fits", "tight"):
        assert not over
    if answer.verdict == "fits" and gpus and all(d.free_gib is not None for d in gpus):
        on_host = sum(d.needed_gib for d in answer.devices if d.kind == "cpu")
        room = sum(d.count * d.free_gib for d in gpus)
        assert memory.high <= room + on_host * 1.1 + ROUNDING * 8
    if answer.verdict == "fits_with_offload":
        assert answer.settings.engine in ("llama.cpp", "ollama")
        assert any(device.kind == "cpu" for device in answer.devices)


def nothing_is_null_without_a_reason(answer: EstimateVramResult) -> None:
    explained = {entry.field for entry in answer.unknown}
    wanted = {
        "limits.gpu_layers": answer.limits.gpu_layers,
        "limits.max_context_tokens": answer.limits.max_context_tokens,
        "limits.max_concurrent_sequences": answer.limits.max_concurrent_sequences,
        "model.active_parameters": answer.model.active_parameters,
        "model.revision": None if answer.model.source != "generic" else "none to have",
        "devices.system memory": all(d.total_gib for d in answer.devices if d.kind == "cpu")
        or None,
        "speed.decode_tokens_per_second": answer.speed.decode_tokens_per_second,
        "kv_cache.bytes_per_token": answer.kv_cache.bytes_per_token,
    }
    assert not {name for name, value in wanted.items() if value is None} - explained
