"""check_language_coverage: claims, measurements and cost, each with its source; else no number."""

from typing import Any

import pytest

from whichweights.toolbox import Toolbox
from whichweights.tools.check_language_coverage import text
from whichweights_schemas.errors import UnknownLanguage, UnsupportedArchitecture
from whichweights_schemas.tools.check_language_coverage import LanguageAnswer

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


async def one(tools: Toolbox, language: str, **arguments: Any) -> LanguageAnswer:
    answer = await tools.check_language_coverage(
        **{"model": LLAMA, "languages": language, **arguments}
    )
    return answer.languages[0]


async def test_a_measured_language_has_a_band_a_grade_and_its_rows(tools: Toolbox):
    german = await one(tools, "de")
    assert (german.tag, german.name, german.official) == ("de", "German", "listed")
    assert german.grade == "A"
    assert german.coverage is not None
    assert 0 <= german.coverage.low <= german.coverage.value <= german.coverage.high <= 100
    assert german.verdict == "usable"
    assert german.rows
    assert {row.kind for row in german.rows} == {"score", "rating"}
    assert all(row.source for row in german.rows)
    assert german.quality.tasks >= 3


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        ("German", "de"),
        ("Deutsch", "de"),
        ("deu", "de"),
        ("Brazilian Portuguese", "pt-BR"),
        ("pt-br", "pt-BR"),
        ("Farsi", "fa"),
        ("Swahili", "sw"),
        ("zh-Hans", "zh-Hans"),
    ],
)
async def test_a_language_is_understood_by_tag_and_by_name(tools: Toolbox, written: str, tag: str):
    answer = await one(tools, written)
    assert (answer.input, answer.tag) == (written, tag)


@pytest.mark.parametrize("written", ["xx", "blorbish", "klingonese123", "Portuguese (Brazil)", "?"])
async def test_what_is_no_language_is_refused_not_bent(tools: Toolbox, written: str):
    with pytest.raises(UnknownLanguage) as caught:
        await one(tools, written)
    assert caught.value.field == "languages"
    assert "pt-BR" in caught.value.hint


async def test_no_evidence_gives_no_number(tools: Toolbox):
    klingon = await one(tools, "Klingon")
    assert klingon.coverage is None
    assert (klingon.grade, klingon.verdict) == ("U", "unknown")
    answer = await tools.check_language_coverage(model=LLAMA, languages="tlh")
    assert "tlh.coverage" in {entry.field for entry in answer.unknown}


async def test_a_bare_size_rests_on_the_prior_of_its_size(tools: Toolbox):
    german = await one(tools, "de", model="7B")
    assert german.grade == "D"
    assert german.coverage is not None
    assert german.quality.prior_median is not None
    assert german.quality.tasks == 0
    assert german.official == "unknown"


async def test_length_costs_coverage_where_it_was_measured(tools: Toolbox):
    short, long = await one(tools, "de"), await one(tools, "de", context_tokens="128k")
    assert short.coverage is not None
    assert long.coverage is not None
    assert long.retention is not None
    assert long.retention.basis == "published"
    assert long.retention.at_tokens == 131_072
    assert long.retention.value is not None
    expected = short.coverage.value * long.retention.value / 100
    assert long.coverage.value == pytest.approx(expected, abs=0.1)
    assert {row.kind for row in long.rows} == {"score", "rating", "retention"}
    assert short.retention is None


async def test_at_the_reference_length_nothing_is_lost(tools: Toolbox):
    at = await one(tools, "de", context_tokens="8k")
    assert at.retention is not None
    assert at.retention.value == 100
    assert at.coverage == (await one(tools, "de")).coverage


async def test_a_length_nobody_measured_is_a_band_or_unknown(tools: Toolbox):
    prior = await one(tools, "de", model="Qwen/Qwen3-32B", context_tokens="128k")
    assert prior.retention is not None
    assert prior.retention.value is None
    assert prior.retention.basis == "prior"
    assert prior.retention.low is not None
    beyond = await one(tools, "de", model="Qwen/Qwen3-32B", context_tokens="1m")
    assert beyond.retention is not None
    assert beyond.retention.low is None
    assert beyond.note


async def test_beyond_the_window_is_warned_of(tools: Toolbox):
    answer = await tools.check_language_coverage(model=LLAMA, languages="de", context_tokens="1m")
    assert any("window of 131,072" in warning for warning in answer.warnings)


async def test_tokens_cost_more_in_some_languages(tools: Toolbox):
    answer = await tools.check_language_coverage(model=LLAMA, languages=["en", "de", "sw"])
    english, german, swahili = answer.languages
    assert english.tokens_per_english_token == 1
    assert german.tokens_per_english_token is not None
    assert swahili.tokens_per_english_token is not None
    assert 1 < german.tokens_per_english_token < swahili.tokens_per_english_token
    assert german.effective_context_tokens == int(131_072 / german.tokens_per_english_token)


async def test_better_models_are_no_larger_and_clearly_better(tools: Toolbox):
    answer = await tools.check_language_coverage(
        model=LLAMA, languages=["de"], context_tokens="128k"
    )
    own = answer.languages[0].coverage
    assert own is not None
    assert answer.better_models
    for model in answer.better_models:
        assert model.model != LLAMA
        assert model.coverage > own.value + 5
        assert model.grade in ("A", "B")
        assert model.parameters is None or model.parameters <= 8_030_261_248


async def test_a_hosted_model_is_refused_with_the_way_out(tools: Toolbox):
    with pytest.raises(UnsupportedArchitecture) as caught:
        await one(tools, "de", model="gpt-4o")
    assert "describe_model" in caught.value.hint


async def test_the_text_has_a_line_for_each_language(tools: Toolbox):
    answer = await tools.call(
        "check_language_coverage", {"model": LLAMA, "languages": ["de", "tlh"]}
    )
    lines = answer.text.splitlines()
    assert lines[0] == f"{LLAMA}:"
    assert lines[1].startswith("German (de): usable, grade A, coverage ")
    assert lines[2] == "Klingon (tlh): unknown, grade U, officially not listed"


async def test_a_better_model_is_one_whose_weights_can_be_fetched(tools: Toolbox):
    """The leaderboard names what it reached through a server "ollama_chat/…"."""
    answer = await tools.check_language_coverage(model="Qwen/Qwen3-32B", languages="no")
    assert answer.better_models
    assert not [one for one in answer.better_models if one.model.startswith("ollama")]


async def test_a_retention_without_a_point_has_its_reason(tools: Toolbox):
    answer = await tools.check_language_coverage(
        model="Qwen/Qwen3-32B", languages="pt-BR", context_tokens="32k"
    )
    kept = answer.languages[0].retention
    assert kept is not None
    assert kept.value is None
    assert "pt-BR.retention.value" in {entry.field for entry in answer.unknown}
    assert "67-100 % kept at 32,768 tokens (as other models keep)" in text(answer)


async def test_languages_may_be_separated_by_commas(tools: Toolbox):
    answer = await tools.check_language_coverage(model=LLAMA, languages="hi, ta")
    assert [row.tag for row in answer.languages] == ["hi", "ta"]


async def test_several_languages_in_one_entry_are_answered_with_the_form_of_a_list(tools: Toolbox):
    with pytest.raises(UnknownLanguage, match="neither") as caught:
        await tools.check_language_coverage(model=LLAMA, languages=["hi,ta"])
    assert '["de", "pt-BR"]' in caught.value.hint


async def test_votes_in_a_language_are_shown_with_their_place_and_make_no_coverage(
    tools: Toolbox,
):
    answer = await tools.call("check_language_coverage", {"model": "qwen3 32b", "languages": "zh"})
    (chinese,) = answer.structured["languages"]
    (votes,) = [row for row in chinese["rows"] if row["kind"] == "rating"]
    assert chinese["coverage"] is None
    assert votes["low"] < votes["value"] < votes["high"]
    assert votes["value"] > 1000
    assert "place" in votes["what"]
    assert "people's votes: Elo" in answer.text
    (reason,) = [u["reason"] for u in answer.structured["unknown"] if u["field"] == "zh.coverage"]
    assert "another scale" in reason


async def test_a_mean_over_a_family_is_shown_as_such_and_makes_no_coverage(tools: Toolbox):
    answer = await tools.call("check_language_coverage", {"model": "qwen3 32b", "languages": "ta"})
    (tamil,) = answer.structured["languages"]
    means = [row for row in tamil["rows"] if row["kind"] == "family"]
    assert tamil["coverage"] is None
    assert len(means) == 2  # with and without thinking
    assert all("mean of" in row["what"] for row in means)
    assert "family mean, not of it alone" in answer.text


async def test_a_language_outside_the_tested_families_has_no_family_mean(tools: Toolbox):
    answer = await tools.check_language_coverage(model="qwen3 32b", languages=["yo", "sw", "ko"])
    rows = [row for language in answer.languages for row in language.rows]
    assert not [row for row in rows if row.kind == "family"]
