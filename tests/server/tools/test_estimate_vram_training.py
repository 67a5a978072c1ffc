"""estimate_vram for fine-tuning: the recipe is named, the parts add up, the ways out work."""

from __future__ import annotations

import json
from typing import Any

import pytest

from whichweights import open_toolbox
from whichweights.toolbox import Toolbox
from whichweights_schemas.errors import InvalidArgument
from whichweights_schemas.tools.estimate_vram import EstimateVramResult

CARD = "RTX 4090"
GROUPS = ("weights", "kv_cache", "recurrent_state", "activations", "gradients", "optimizer")


async def train(tools: Toolbox, workload: str, **arguments: Any) -> EstimateVramResult:
    given: dict[str, Any] = {"model": "llama 3.1 8b", "accelerators": CARD, **arguments}
    return await tools.estimate_vram(workload=workload, **given)


@pytest.mark.parametrize("workload", ["lora", "qlora", "full_finetune"])
async def test_a_training_answer_names_its_recipe_and_adds_up(workload: str) -> None:
    async with open_toolbox() as tools:
        result = await train(tools, workload, options={"sequence_length": "2k"})
    memory = result.memory_gib
    assert memory.total == pytest.approx(
        sum(getattr(memory, name) for name in GROUPS) + memory.runtime, abs=0.005
    )
    assert memory.total == pytest.approx(sum(part.gib for part in result.parts), abs=0.01)
    assert memory.low <= memory.total <= memory.high
    assert memory.kv_cache == 0
    assert result.settings.engine == "transformers"
    assert result.settings.context_tokens == 2048
    for switch in ("recipe", "optimizer", "gradient_checkpointing", "chunked_loss", "packed"):
        assert switch in result.settings.options
    assumed = {field for e in result.evidence if e.basis == "assumed" for field in e.fields}
    assert "options.optimizer" in assumed


async def test_lighter_methods_need_less_memory() -> None:
    async with open_toolbox() as tools:
        totals = [
            (await train(tools, workload, options={"sequence_length": 2048})).memory_gib.total
            for workload in ("qlora", "lora", "full_finetune")
        ]
    assert totals == sorted(totals)


async def follow(tools: Toolbox, change: str) -> EstimateVramResult:
    """The same question with the change that an alternative names."""
    name, is_argument, value = change.partition("=")
    if not is_argument:
        return await train(tools, "lora", accelerators=change)
    if name == "workload":
        return await train(tools, value)
    try:
        return await train(tools, "lora", options={name: json.loads(value)})
    except ValueError:
        return await train(tools, "lora", options={name: value})


async def test_each_way_out_really_alters_the_verdict() -> None:
    async with open_toolbox() as tools:
        before = await train(tools, "lora")
        assert before.verdict == "does_not_fit"
        assert before.alternatives
        for way in before.alternatives:
            after = await follow(tools, way.change)
            assert (after.verdict, after.memory_gib.total) == (way.verdict, way.total_gib)


async def test_the_longest_sequence_fits_and_one_token_more_does_not() -> None:
    async with open_toolbox() as tools:
        first = await train(tools, "qlora", options={"sequence_length": 512})
        longest = first.limits.max_context_tokens
        assert longest is not None
        kept = await train(tools, "qlora", options={"sequence_length": longest})
        beyond = await train(tools, "qlora", options={"sequence_length": longest + 1})
    assert (kept.verdict, beyond.verdict) == ("fits", "tight")


async def test_the_rules_in_circulation_stand_beside_the_figure_with_their_error() -> None:
    async with open_toolbox() as tools:
        result = await train(tools, "full_finetune", accelerators="8x H100 80GB")
    rules = {rule.rule: rule for rule in result.rules_of_thumb}
    assert "12 x the weights" in rules
    assert all(rule.error_percent != 0 for rule in rules.values())


@pytest.mark.parametrize(
    ("workload", "options"),
    [("inference", {"micro_batch": 8}), ("lora", {"gpu_memory_utilization": 0.9})],
)
async def test_a_switch_that_does_nothing_for_the_workload_is_refused(
    workload: str, options: dict[str, object]
) -> None:
    async with open_toolbox() as tools:
        with pytest.raises(InvalidArgument) as caught:
            await train(tools, workload, options=options)
    assert caught.value.field == f"options.{next(iter(options))}"


@pytest.mark.parametrize("workload", ["lora", "full_finetune"])
@pytest.mark.parametrize("name", ["auto", "fp16", "float16", "F16"])
async def test_a_model_published_in_half_precision_trains_under_any_spelling_of_it(
    workload: str, name: str
) -> None:
    model = "meta-llama/Llama-2-7b-hf"
    async with open_toolbox() as tools:
        answer = await train(tools, workload, model=model, quantization=name)
    weights = next(part for part in answer.parts if part.name == "weights")
    assert weights.gib == pytest.approx(2 * 6_738_415_616 / 2**30, abs=0.002)
