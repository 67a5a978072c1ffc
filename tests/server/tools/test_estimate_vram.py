"""estimate_vram from the question to the answer, with the built-in providers and no GPU."""

from typing import Any

import pytest

from whichweights.toolbox import Toolbox
from whichweights_schemas.errors import (
    AmbiguousModel,
    InvalidArgument,
    ModelNotFound,
    UnknownAccelerator,
    UnknownQuantization,
    UnsupportedArchitecture,
)
from whichweights_schemas.tools.estimate_vram import EstimateVramResult

WORDS = 140
CARD = "RTX 4090"


def word_count(text: str) -> int:
    return len(text.split())


def gpus_of(answer: EstimateVramResult) -> list[Any]:
    return [device for device in answer.devices if device.kind != "cpu"]


@pytest.mark.parametrize(
    ("model", "gib"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", 16.0),
        ("Qwen/Qwen3-30B-A3B", 12.0),
        ("deepseek-ai/DeepSeek-V3", 8.58),
        ("google/gemma-3-27b-it", 10.41),
    ],
)
@pytest.mark.parametrize("engine", ["vllm", "transformers", "llama.cpp"])
async def test_the_cache_at_131_072_tokens_is_what_the_architecture_needs(
    tools: Toolbox, model: str, gib: float, engine: str
):
    answer = await tools.estimate_vram(
        model=model,
        context_tokens=131_072,
        kv_cache_type="bf16",
        engine=engine,
        accelerators="8x H100 80GB",
    )
    assert answer.kv_cache.architecture_needs_gib == pytest.approx(gib, abs=0.005)
    assert answer.settings.context_tokens == 131_072


async def test_can_my_4090_run_qwen3_32b_at_32k(tools: Toolbox):
    answer = await tools.estimate_vram(model="Qwen3 32B", context_tokens="32k", accelerators=CARD)
    assert answer.model.id == "Qwen/Qwen3-32B"
    assert answer.settings.quantization == "Q4_K_M"
    assert answer.settings.engine == "llama.cpp"
    assert answer.verdict == "does_not_fit"
    assert answer.kv_cache.bytes_per_token == 64 * 8 * 128 * 2 * 2
    assert 8_192 <= (answer.limits.max_context_tokens or 0) < 32_768
    assert [a.change for a in answer.alternatives][:1] == ["kv_cache_type=q8_0"]
    said = (await tools.call("estimate_vram", QUESTION)).text
    assert said.startswith(
        "Qwen/Qwen3-32B as Q4_K_M with llama.cpp at 32,768 tokens does not fit on GeForce RTX 4090"
    )
    assert "kv_cache_type=q8_0" in said
    assert "64GiB RAM" in said
    assert word_count(said) <= WORDS


QUESTION = {"model": "Qwen3 32B", "context_tokens": "32k", "accelerators": CARD}


@pytest.mark.parametrize(
    "question",
    [
        QUESTION,
        {"model": "8x7B", "accelerators": CARD},
        {"model": "qwen2.5 72b instruct", "accelerators": [CARD, "64GiB RAM"]},
        {"model": "qwen2.5 72b instruct", "engine": "vllm", "accelerators": "2x RTX 4090"},
        {"model": "google/gemma-3-27b-it", "context_tokens": "128k", "accelerators": "M3 Max 36GB"},
        {"model": "llama 3.3 70b", "quantization": "fp8", "accelerators": "H100 80GB"},
        {**QUESTION, "options": {"prompt_tokens": "20k"}},
        {**QUESTION, "options": {"flash_attention": False}},
        {**QUESTION, "context_tokens": 1, "model": "deepseek-ai/DeepSeek-V3"},
    ],
    ids=str,
)
async def test_an_alternative_has_the_verdict_it_promises(tools: Toolbox, question: dict[str, Any]):
    answer = await tools.estimate_vram(**question)
    settled = {**question, "quantization": answer.settings.quantization}
    settled["engine"] = answer.settings.engine
    for alternative in answer.alternatives:
        changes: dict[str, Any] = dict(
            part.split("=") for part in alternative.change.split(" with ")[0].split(", ")
        )
        if "accelerators" in changes:
            kept = [a for a in answer.settings.accelerators if a == "system memory"]
            changes["accelerators"] = [changes["accelerators"], *kept]
        changed = await tools.estimate_vram(**{**settled, **changes})
        assert changed.verdict == alternative.verdict, alternative.change
        assert changed.memory_gib.total == pytest.approx(alternative.total_gib, abs=0.002)


@pytest.mark.parametrize(
    "question",
    [
        QUESTION,
        {"model": "llama 3.1 8b", "accelerators": CARD, "engine": "vllm"},
        {"model": "llama 3.1 8b", "accelerators": CARD, "quantization": "q8_0"},
        {"model": "google/gemma-3-27b-it", "accelerators": "RTX 5090", "quantization": "Q4_K_M"},
        {"model": "7B", "accelerators": "16GiB", "quantization": "bf16"},
    ],
    ids=str,
)
async def test_the_limits_are_tight_through_the_tool(tools: Toolbox, question: dict[str, Any]):
    answer = await tools.estimate_vram(**question)
    settled = {
        **question,
        "quantization": answer.settings.quantization,
        "engine": answer.settings.engine,
    }
    tokens, sequences = answer.limits.max_context_tokens, answer.limits.max_concurrent_sequences
    assert tokens
    assert (await tools.estimate_vram(**{**settled, "context_tokens": tokens})).verdict == "fits"
    described = await tools.describe_model(model=question["model"], fields="context")
    assert described.context
    if tokens < (described.context.max_tokens or 0):
        more = await tools.estimate_vram(**{**settled, "context_tokens": tokens + 1})
        assert more.verdict != "fits"
    if sequences:
        at_most = await tools.estimate_vram(**{**settled, "concurrent_sequences": sequences})
        assert at_most.verdict == "fits"
        over = await tools.estimate_vram(**{**settled, "concurrent_sequences": sequences + 1})
        assert over.verdict != "fits"


async def test_the_verdict_follows_the_band_as_the_card_grows(tools: Toolbox):
    question = {"model": "llama 3.1 8b", "quantization": "bf16", "engine": "transformers"}
    memory = (await tools.estimate_vram(**question, accelerators="80GiB")).memory_gib
    verdicts = {
        gib: (await tools.estimate_vram(**question, accelerators=f"{gib:.4f}GiB")).verdict
        for gib in (
            memory.total - 0.01,
            memory.total + 0.01,
            memory.high - 0.01,
            memory.high + 0.01,
        )
    }
    assert list(verdicts.values()) == ["does_not_fit", "tight", "tight", "fits"]


async def test_without_arguments_but_a_model_it_plans_on_this_machine(tools: Toolbox):
    answer = await tools.estimate_vram(model="llama 3.1 8b")
    assert answer.settings.context_tokens == 8_192
    assert {report.kind for report in answer.providers} >= {"gpu", "models"}
    if not gpus_of(answer):
        assert answer.settings.engine == "llama.cpp"
        assert any("no GPU was found" in warning for warning in answer.warnings)
        assert [device.name for device in answer.devices] == ["system memory"]


async def test_a_short_name_means_instruct_and_says_so(tools: Toolbox):
    answer = await tools.estimate_vram(model="llama 3.1 8b", accelerators=CARD)
    assert answer.model.id == "meta-llama/Llama-3.1-8B-Instruct"
    assert "means the instruct model; the base model is meta-llama/Llama-3.1-8B" in answer.warnings


async def test_a_name_that_fits_several_models_is_never_a_silent_pick(tools: Toolbox):
    with pytest.raises(AmbiguousModel) as caught:
        await tools.estimate_vram(model="qwen 32b")
    assert {"Qwen/Qwen3-32B", "Qwen/QwQ-32B", "Qwen/Qwen2.5-32B-Instruct"} <= set(
        caught.value.suggestions
    )
    said = (await tools.call("estimate_vram", {"model": "qwen 32b"})).text
    assert "Qwen/Qwen3-32B" in said


@pytest.mark.parametrize(
    ("model", "total"),
    [("7B", 7_000_000_000), ("0.5b", 500_000_000), ("70B", 70_000_000_000)],
)
async def test_a_bare_size_is_a_prior_with_a_wide_band(tools: Toolbox, model: str, total: int):
    where = {"accelerators": "4x H100 80GB", "engine": "transformers"}
    answer = await tools.estimate_vram(model=model, **where)
    named = await tools.estimate_vram(model="llama 3.1 8b", **where)
    assert answer.model.parameters == total
    assert {part.basis for part in answer.parts if part.name == "weights"} == {"prior"}
    assert any("bare size" in warning for warning in answer.warnings)
    memory, exact = answer.memory_gib, named.memory_gib
    assert memory.high / memory.total > exact.high / exact.total


async def test_a_mixture_by_size_counts_its_experts_once(tools: Toolbox):
    answer = await tools.estimate_vram(model="8x7B", accelerators="8x H100 80GB")
    assert answer.model.parameters is not None
    assert answer.model.active_parameters is not None
    assert 36e9 < answer.model.parameters < 56e9
    assert answer.model.active_parameters < answer.model.parameters / 2


async def test_a_hosted_model_is_refused_with_the_way_out(tools: Toolbox):
    with pytest.raises(UnsupportedArchitecture) as caught:
        await tools.estimate_vram(model="gpt-4o")
    assert "hosted model of openai" in caught.value.message
    assert "describe_model" in caught.value.hint


@pytest.mark.parametrize("model", ["nobody knows", "./weights.gguf", "ollama:llama3", "gpt-9 zz"])
async def test_an_unknown_model_is_refused_with_what_to_write_instead(tools: Toolbox, model: str):
    with pytest.raises(ModelNotFound) as caught:
        await tools.estimate_vram(model=model)
    assert caught.value.field == "model"
    assert "llama 3.1 8b" in caught.value.hint


async def test_a_revision_nobody_read_is_said(tools: Toolbox):
    answer = await tools.estimate_vram(model="Qwen/Qwen3-32B@abc123", accelerators=CARD)
    assert answer.model.id == "Qwen/Qwen3-32B"
    assert any("revision abc123" in warning for warning in answer.warnings)


async def test_a_switch_of_training_is_refused_for_inference(tools: Toolbox):
    with pytest.raises(InvalidArgument) as caught:
        await tools.estimate_vram(model="llama 3.1 8b", options={"micro_batch": 8})
    assert caught.value.field == "options.micro_batch"


async def test_beyond_the_window_is_a_warning_that_names_what_extends_it(tools: Toolbox):
    answer = await tools.estimate_vram(
        model="Qwen/Qwen3-32B", context_tokens="128k", accelerators="8x H100 80GB"
    )
    about = [warning for warning in answer.warnings if "window" in warning]
    assert len(about) == 1
    assert "131,072" in about[0]
    assert answer.settings.context_tokens == 131_072


async def test_ranks_that_divide_no_heads_are_refused(tools: Toolbox):
    with pytest.raises(InvalidArgument) as caught:
        await tools.estimate_vram(
            model="llama 3.1 8b",
            engine="vllm",
            accelerators="3x RTX 4090",
            options={"tensor_parallel": 3},
        )
    assert caught.value.field == "options.tensor_parallel"
    assert "32 attention heads" in caught.value.message


async def test_three_cards_become_three_stages(tools: Toolbox):
    answer = await tools.estimate_vram(
        model="llama 3.1 8b", engine="vllm", accelerators="3x RTX 4090"
    )
    assert answer.settings.options["tensor_parallel"] == 1
    assert answer.settings.options["pipeline_parallel"] == 3


async def test_more_ranks_than_devices_are_refused(tools: Toolbox):
    with pytest.raises(InvalidArgument) as caught:
        await tools.estimate_vram(
            model="llama 3.1 8b",
            engine="vllm",
            accelerators=CARD,
            options={"tensor_parallel": 2},
        )
    assert caught.value.field == "options.tensor_parallel"


async def test_an_unknown_format_is_refused_with_known_ones(tools: Toolbox):
    with pytest.raises(UnknownQuantization) as caught:
        await tools.estimate_vram(model="llama 3.1 8b", quantization="foo")
    assert caught.value.field == "quantization"
    assert "Q4_K_M" in caught.value.suggestions


async def test_an_unknown_device_names_the_nearest(tools: Toolbox):
    with pytest.raises(UnknownAccelerator) as caught:
        await tools.estimate_vram(model="llama 3.1 8b", accelerators="RTX 4091")
    assert "GeForce RTX 4090" in caught.value.suggestions


@pytest.mark.parametrize(
    ("arguments", "way_out"),
    [
        ({"engine": "vllm", "accelerators": "M3 Max 64GB"}, "llama.cpp"),
        ({"quantization": "FP8", "engine": "vllm", "accelerators": "GTX 1080"}, "GGUF"),
        ({"engine": "sglang", "accelerators": "Arc A770"}, "llama.cpp"),
    ],
)
async def test_an_engine_that_cannot_run_here_is_said_first_with_the_way_out(
    tools: Toolbox, arguments: dict[str, Any], way_out: str
):
    answer = await tools.estimate_vram(model="llama 3.1 8b", **arguments)
    assert "cannot run" in answer.warnings[0]
    assert way_out in answer.warnings[0]
    said = (await tools.call("estimate_vram", {"model": "llama 3.1 8b", **arguments})).text
    assert f"But {answer.warnings[0]}." in said


@pytest.mark.parametrize(("engine", "kind"), [("llama.cpp", "fp8"), ("vllm", "q8_0")])
async def test_a_cache_type_the_engine_lacks_is_refused(tools: Toolbox, engine: str, kind: str):
    with pytest.raises(InvalidArgument) as caught:
        await tools.estimate_vram(
            model="llama 3.1 8b", engine=engine, kv_cache_type=kind, accelerators=CARD
        )
    assert caught.value.field == "kv_cache_type"


async def test_a_cache_type_chooses_an_engine_that_has_it(tools: Toolbox):
    answer = await tools.estimate_vram(
        model="llama 3.1 8b", kv_cache_type="q8_0", accelerators="H100 80GB"
    )
    assert answer.settings.engine == "llama.cpp"
    assert answer.settings.kv_cache_type == "q8_0"


async def test_an_encoder_keeps_nothing_between_tokens(tools: Toolbox):
    answer = await tools.estimate_vram(model="google-bert/bert-base-uncased", accelerators=CARD)
    assert answer.memory_gib.kv_cache == 0
    assert answer.kv_cache.bytes_per_token == 0
    assert answer.speed.decode_tokens_per_second is None
    assert answer.settings.context_tokens == 512


async def test_offload_is_planned_when_the_system_memory_is_named(tools: Toolbox):
    alone = await tools.estimate_vram(**QUESTION)
    helped = await tools.estimate_vram(**{**QUESTION, "accelerators": [CARD, "64GiB RAM"]})
    assert alone.verdict == "does_not_fit"
    assert any("offload was not checked" in warning for warning in alone.warnings)
    assert helped.verdict == "fits_with_offload"
    assert {device.kind for device in helped.devices} == {"gpu", "cpu"}


async def test_asked_offload_keeps_the_native_format(tools: Toolbox):
    answer = await tools.estimate_vram(
        model="llama 3.1 8b",
        accelerators=[CARD, "64GiB RAM"],
        options={"cpu_offload": "layers"},
    )
    assert answer.settings.quantization == "BF16"
    assert answer.verdict == "fits_with_offload"


async def test_auto_names_the_native_format_too(tools: Toolbox):
    answer = await tools.call("estimate_vram", QUESTION)
    assert answer.structured["settings"]["native_quantization"] == "BF16"
    assert "The maker's own format is BF16." in answer.text


async def test_equal_devices_of_a_large_machine_share_a_row(tools: Toolbox):
    answer = await tools.estimate_vram(
        model="deepseek-ai/DeepSeek-V3", accelerators="8x H100 80GB", engine="vllm"
    )
    assert [device.count for device in answer.devices] == [8]
    assert answer.settings.accelerators == ("8x H100 SXM5 80GB",)


async def test_settings_echo_the_canonical_forms(tools: Toolbox):
    answer = await tools.estimate_vram(
        model="llama 3.1 8b",
        quantization="q4km",
        context_tokens="16k",
        engine="llama_cpp",
        kv_cache_type="Q8_0",
        accelerators='["rtx4090"]',
    )
    assert answer.settings.quantization == "Q4_K_M"
    assert answer.settings.context_tokens == 16_384
    assert answer.settings.engine == "llama.cpp"
    assert answer.settings.kv_cache_type == "q8_0"
    assert answer.settings.accelerators == ("GeForce RTX 4090",)


async def test_rules_of_thumb_say_how_far_off_they_are(tools: Toolbox):
    answer = await tools.estimate_vram(model="llama 3.1 8b", accelerators=CARD)
    rule = next(r for r in answer.rules_of_thumb if r.rule.startswith("2.1"))
    assert rule.gib == pytest.approx(2.1 * answer.memory_gib.weights, abs=0.01)
    off = 100 * (rule.gib / answer.memory_gib.total - 1)
    assert rule.error_percent == pytest.approx(off, abs=0.1)


async def test_unknown_device_memory_makes_the_verdict_unknown(tools: Toolbox):
    status = await tools.gpu_status(accelerators="Apple M2 Ultra")
    assert status.devices[0].total_gib is None
    answer = await tools.estimate_vram(
        model="llama 3.1 8b", accelerators="Apple M2 Ultra", quantization="Q4_K_M"
    )
    assert answer.verdict == "unknown"
    assert answer.limits.max_context_tokens is None
    assert any(entry.field.endswith("total_gib") for entry in answer.unknown)


@pytest.mark.parametrize("model", ["8x7B", "7B"])
async def test_a_bare_size_has_no_maker_whose_format_could_be_named(tools: Toolbox, model: str):
    answer = await tools.call("estimate_vram", {"model": model, "accelerators": "8GiB"})
    assert "maker" not in answer.text


async def test_the_text_says_what_part_of_the_total_lies_in_system_memory(tools: Toolbox):
    """Else the band of a plan that fits could look wider than the device."""
    answer = await tools.call("estimate_vram", {"model": "7B", "accelerators": "RTX 3060"})
    assert "(7.2-12.2), 0.5 of it in system memory." in answer.text


async def test_doubtful_facts_are_named_in_plain_words(tools: Toolbox):
    answer = await tools.call(
        "estimate_vram", {"model": "llama 3.1 405b", "accelerators": "8x H100 80GB"}
    )
    assert "ot verified of meta-llama/Llama-3.1-405B-Instruct: own weight format." in answer.text


async def test_a_model_does_not_fit_the_memory_the_operating_system_needs(tools: Toolbox):
    """15.4 of 16 GiB would leave the system nothing."""
    asked = {"model": "phi-4", "quantization": "Q8_0", "context_tokens": 4096}
    small = await tools.estimate_vram(**asked, accelerators="16GiB RAM")
    assert small.verdict == "does_not_fit"
    assert any("2 GiB are kept for the operating system" in text for text in small.warnings)
    larger = await tools.estimate_vram(**asked, accelerators="18GiB RAM")
    assert larger.verdict == "fits"
