"""recommend_model with the built-in providers: only what fits, ranked, counted, and dated."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from whichweights.toolbox import Toolbox, open_toolbox
from whichweights_schemas.errors import AmbiguousModel, InvalidArgument, UnknownLanguage
from whichweights_schemas.tools.recommend_model import RecommendModelResult

DEFAULT_ANSWER_TOKENS = 1_500
WORDS = 120
CASES: dict[str, dict[str, object]] = {
    "coding": {"task": "coding", "accelerators": ["RTX 4090"]},
    "small": {"task": "chat", "accelerators": ["8GiB"]},
    "cluster": {
        "task": "agent",
        "autonomy": "long_horizon",
        "accelerators": ["8x H100 80GB"],
        "context_tokens": "128k",
        "requires": ["tool_use"],
    },
    "icelandic": {
        "task": "chat",
        "languages": ["Icelandic"],
        "accelerators": ["RTX 4090"],
        "license": "commercial",
    },
    "vision": {"task": "vision", "accelerators": ["RTX 4090"]},
    "apple": {"task": "summarization", "accelerators": ["M3 Max 64GB"], "context_tokens": "32k"},
    "cpu": {"task": "extraction", "accelerators": ["32GiB RAM"]},
}


@pytest.fixture
async def tools() -> AsyncIterator[Toolbox]:
    async with open_toolbox() as toolbox:
        yield toolbox


@pytest.mark.parametrize("arguments", CASES.values(), ids=CASES)
async def test_everything_recommended_is_accepted_by_estimate_vram(
    tools: Toolbox, arguments: dict[str, object]
) -> None:
    result = await tools.recommend_model(**arguments)
    assert len(result.recommendations) == 3
    machine = await tools.gpu_status(accelerators=arguments["accelerators"])
    memory = machine.devices or (machine.system_memory,)
    free = sum(device.count * (device.free_gib or 0) for device in memory if device)
    for row in result.recommendations:
        estimate = await tools.estimate_vram(
            model=row.model,
            quantization=row.quantization,
            engine=row.engine,
            context_tokens=row.context_tokens,
            accelerators=arguments["accelerators"],
        )
        assert estimate.verdict == row.verdict
        assert estimate.verdict in ("fits", "tight")
        assert estimate.memory_gib.total == row.vram_gib
        assert estimate.memory_gib.high <= 1.15 * free
        assert not any("cannot run" in warning for warning in estimate.warnings)


@pytest.mark.parametrize("arguments", CASES.values(), ids=CASES)
async def test_every_model_is_either_recommended_or_counted(
    tools: Toolbox, arguments: dict[str, object]
) -> None:
    result = await tools.recommend_model(**arguments)
    counted = sum(row.count for row in result.rejected) + len(result.recommendations)
    everything = await tools.recommend_model(task="chat", accelerators=["1MiB"])
    assert everything.recommendations == ()
    assert counted == sum(row.count for row in everything.rejected)
    assert all(len(row.examples) <= 3 for row in result.rejected)


@pytest.mark.parametrize("arguments", CASES.values(), ids=CASES)
async def test_rows_are_in_order_and_their_scores_named_and_dated(
    tools: Toolbox, arguments: dict[str, object]
) -> None:
    result = await tools.recommend_model(**arguments)
    assert [row.rank for row in result.recommendations] == [1, 2, 3]
    scores = [row.score for row in result.recommendations]
    assert scores == sorted(scores, reverse=True)
    assert len({row.model for row in result.recommendations}) == 3
    for row in result.recommendations:
        assert row.quality is None or (row.quality.source and row.quality.date)
        assert row.quality is not None or any("not measured" in text for text in row.caveats)
    assert len(result.decision) == 6


async def test_the_answer_is_the_same_each_time(tools: Toolbox) -> None:
    first = await tools.recommend_model(**CASES["icelandic"])
    assert await tools.recommend_model(**CASES["icelandic"]) == first


@pytest.mark.parametrize("name", ["coding", "small", "icelandic", "vision"])
async def test_a_default_answer_keeps_its_budget(tools: Toolbox, name: str) -> None:
    answer = await tools.call("recommend_model", CASES[name])
    assert not answer.is_error
    structured = json.dumps(answer.structured, ensure_ascii=False, separators=(",", ":"))
    counted = await tools.count_tokens(models=["o200k_base"], text=structured + answer.text)
    assert counted.counts[0].method == "exact"
    assert (counted.counts[0].tokens or DEFAULT_ANSWER_TOKENS + 1) <= DEFAULT_ANSWER_TOKENS
    assert len(answer.text.split()) <= WORDS


async def test_a_commercial_licence_is_kept_to_and_the_rest_counted(tools: Toolbox) -> None:
    result = await tools.recommend_model(
        task="chat", license="commercial", accelerators=["RTX 4090"], limit=20
    )
    licences = {row.license for row in result.recommendations}
    assert licences.isdisjoint({None, "other", "cc-by-nc-4.0", "exaone", "qwen-research"})
    reasons = {row.reason for row in result.rejected}
    assert {"licence unknown", "licence forbids commercial use"} <= reasons


async def test_icelandic_is_graded_for_every_recommendation(tools: Toolbox) -> None:
    result = await tools.recommend_model(**CASES["icelandic"])
    for row in result.recommendations:
        (language,) = row.languages
        assert language.tag == "is"
        check = await tools.check_language_coverage(model=row.model, languages=["is"])
        band = check.languages[0].coverage
        assert language.coverage == (band.value if band else None)
        assert language.grade == check.languages[0].grade


async def test_autonomy_brings_agentic_evidence_and_filters_nothing(tools: Toolbox) -> None:
    plain = await tools.recommend_model(task="coding", accelerators=["RTX 4090"])
    agentic = await tools.recommend_model(
        task="coding", accelerators=["RTX 4090"], autonomy="long_horizon"
    )
    assert all(row.agentic is None for row in plain.recommendations)
    assert any(entry.field == "recommendations.agentic" for entry in plain.unknown)
    best = agentic.recommendations[0]
    assert best.agentic is not None
    assert best.agentic.benchmark
    assert "agentic" in best.score_parts

    def screened(result: RecommendModelResult) -> set[tuple[str, int]]:
        return {(r.reason, r.count) for r in result.rejected if "lower" not in r.reason}

    assert {r for r in screened(plain) if "large" in r[0]} <= screened(agentic)


async def test_vision_models_read_images_and_the_missing_benchmark_is_said(tools: Toolbox) -> None:
    result = await tools.recommend_model(**CASES["vision"])
    assert any("vision benchmark" in warning for warning in result.warnings)
    for row in result.recommendations:
        described = await tools.describe_model(model=row.model)
        assert described.skills is not None
        assert "image" in described.skills.input_modalities


async def test_a_family_does_not_fill_all_places(tools: Toolbox) -> None:
    result = await tools.recommend_model(task="reasoning", accelerators=["RTX 4090"])
    owners = [row.model.split("/")[0] for row in result.recommendations]
    assert len(set(owners)) > 1


async def test_speed_is_asked_for_only_where_it_is_known(tools: Toolbox) -> None:
    fast = await tools.recommend_model(
        task="chat", accelerators=["RTX 4090"], min_tokens_per_second=100
    )
    for row in fast.recommendations:
        assert row.decode_tokens_per_second is not None
        assert row.decode_tokens_per_second >= 100
    assert any("slower than 100" in row.reason for row in fast.rejected)
    unknown = await tools.recommend_model(
        task="chat", accelerators=["24GiB"], min_tokens_per_second=1
    )
    assert unknown.recommendations == ()
    assert any(row.reason == "speed unknown" for row in unknown.rejected)


async def test_only_the_named_candidates_are_considered(tools: Toolbox) -> None:
    result = await tools.recommend_model(
        task="chat", accelerators=["RTX 4090"], candidates=["qwen3 8b", "Qwen/Qwen3-32B"]
    )
    assert {row.model for row in result.recommendations} == {"Qwen/Qwen3-8B", "Qwen/Qwen3-32B"}
    with pytest.raises(AmbiguousModel):
        await tools.recommend_model(task="chat", candidates=["qwen 32b"])


async def test_when_nothing_fits_the_answer_says_what_would(tools: Toolbox) -> None:
    result = await tools.recommend_model(task="chat", accelerators=["200MiB"])
    assert result.recommendations == ()
    assert "least demanding" in result.if_nothing_fits[0]
    assert "GiB" in result.if_nothing_fits[0]


async def test_hosted_models_come_with_dated_prices_when_asked_for(tools: Toolbox) -> None:
    either = await tools.recommend_model(
        task="chat",
        accelerators=["RTX 4090"],
        deployment="either",
        input_tokens_per_day=1_000_000,
        output_tokens_per_day=100_000,
    )
    assert either.recommendations
    assert len(either.api_alternatives) == 3
    for row in either.api_alternatives:
        assert row.price_date
        assert row.input_usd_per_mtok is not None
        assert row.output_usd_per_mtok is not None
        expected = row.input_usd_per_mtok + 0.1 * row.output_usd_per_mtok
        assert row.usd_per_day == pytest.approx(expected, abs=1e-3)
    local = await tools.recommend_model(task="chat", accelerators=["RTX 4090"])
    assert local.api_alternatives == ()
    api = await tools.recommend_model(task="chat", deployment="api")
    assert api.recommendations == ()
    assert api.if_nothing_fits == ()
    assert api.api_alternatives


async def test_what_this_version_cannot_do_is_refused_by_name(tools: Toolbox) -> None:
    with pytest.raises(InvalidArgument) as training:
        await tools.recommend_model(task="chat", workload="lora")
    assert training.value.field == "workload"
    assert "estimate_vram" in (training.value.hint or "")
    with pytest.raises(InvalidArgument) as hub:
        await tools.recommend_model(task="chat", source="hub")
    assert hub.value.field == "source"
    everywhere = await tools.recommend_model(task="chat", source="all", accelerators=["8GiB"])
    assert any("catalogue" in warning for warning in everywhere.warnings)
    with pytest.raises(UnknownLanguage):
        await tools.recommend_model(task="chat", languages=["xyzzy!"])


async def test_a_language_nobody_tested_is_ordered_by_votes_and_says_so(tools: Toolbox):
    answer = await tools.recommend_model(task="chat", languages="zh", accelerators="2x RTX 4090")
    best = answer.recommendations[0]
    assert any("ordered by people's votes" in caveat for caveat in best.caveats)
    assert best.languages[0].coverage is None


async def test_the_text_names_every_licence_that_is_not_open(tools: Toolbox):
    names = ["qwen3 8b", "CohereLabs/aya-expanse-8b", "google/gemma-3-12b-it"]
    question = {"task": "translation", "accelerators": "24GiB", "candidates": names}
    said = (await tools.call("recommend_model", question)).text
    assert "licence cc-by-nc-4.0, no commercial use" in said
    assert "Gemma terms" in said
    assert "apache" not in said
