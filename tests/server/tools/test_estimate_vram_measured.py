"""What transformers 5.17 took on an H100 on 2026-11-27 (`benchmarks/measure_on_gpu.py`): a share of
the rows in benchmarks/data/gpu_measurements.jsonl, MiB by torch's own peak counter."""

from typing import Any

import pytest

from whichweights.toolbox import Toolbox

GENERATED_TOKENS = 16


async def planned(tools: Toolbox, model: str, prompt: int, sequences: int = 1) -> Any:
    return await tools.estimate_vram(
        model=model,
        engine="transformers",
        quantization="BF16",
        context_tokens=prompt + GENERATED_TOKENS,
        concurrent_sequences=sequences,
        accelerators="H100 80GB",
        options={"engine_version": "5.17.0", "prompt_tokens": prompt, "load_vision": False},
    )


@pytest.mark.parametrize(
    ("model", "prompt", "sequences", "measured_mib"),
    [
        ("google/gemma-2-9b-it", 8_000, 1, 21_230),
        ("CohereLabs/c4ai-command-r7b-12-2024", 16_000, 1, 19_414),
        ("allenai/Olmo-3-7B-Instruct", 16_000, 1, 23_614),
        ("mistralai/Mistral-Small-24B-Instruct-2501", 16_000, 1, 51_129),
        ("facebook/opt-6.7b", 2_000, 4, 17_483),
        ("deepseek-ai/DeepSeek-V2-Lite-Chat", 30_000, 1, 35_606),
        ("zai-org/GLM-4.7-Flash", 16_000, 1, 59_748),
        ("openai/gpt-oss-20b", 7_000, 1, 58_673),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_the_peak_of_transformers_is_within_one_percent_of_what_a_gpu_took(
    tools: Toolbox, model: str, prompt: int, sequences: int, measured_mib: float
):
    memory = (await planned(tools, model, prompt, sequences)).memory_gib
    assert 1024 * (memory.total - memory.runtime) == pytest.approx(measured_mib, rel=0.01)


async def test_a_mamba_scan_without_its_kernels_lies_in_the_band_and_is_named(tools: Toolbox):
    """granite-4.0-h-tiny took 57,776 MiB where the kernels leave 13,900 MiB."""
    answer = await planned(tools, "ibm-granite/granite-4.0-h-tiny", 7_000)
    assert 1024 * answer.memory_gib.high > 57_776
    (activations,) = [part for part in answer.parts if part.name == "activations"]
    assert "without the mamba-ssm kernels" in activations.note
    assert any("mamba-ssm" in warning for warning in answer.warnings)
