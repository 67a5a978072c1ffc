"""estimate_vram for serving engines: adapters, and what the pool of the engine holds."""

from __future__ import annotations

import pytest

from whichweights.toolbox import Toolbox


async def test_an_adapter_served_with_the_model_is_a_part_of_the_answer(tools: Toolbox):
    options = {"lora_rank": 16}
    answer = await tools.estimate_vram(
        model="llama 3.1 8b", accelerators="RTX 4090", quantization="Q4_K_M", options=options
    )
    parts = {part.name: part.gib for part in answer.parts}
    assert parts["LoRA adapter"] == pytest.approx(2 * 41_943_040 / 2**30, abs=0.001)


async def test_vllm_says_how_many_tokens_and_sequences_its_pool_holds(tools: Toolbox):
    answer = await tools.estimate_vram(
        model="llama 3.1 8b", accelerators="H100 80GB", quantization="native", engine="vllm"
    )
    cache = answer.kv_cache
    assert cache.pool_tokens is not None
    assert cache.engine_reserves_gib is not None
    assert cache.pool_tokens == pytest.approx(cache.engine_reserves_gib * 2**30 / 131_072, rel=0.01)
    assert cache.pool_sequences == pytest.approx(cache.pool_tokens / 8192, rel=0.01)
