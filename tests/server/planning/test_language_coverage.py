"""From rows to coverage: measured counts more than a prior, thin evidence widens the band."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whichweights.planning.language_coverage import Coverage, cover
from whichweights_schemas.evidence import Evidence
from whichweights_schemas.languages import (
    Fertility,
    LanguageEvidence,
    LanguageScore,
    MeasuredOn,
    RetentionPoint,
    SizePrior,
)

SOURCE = Evidence(fields=("x",), basis="published", source="s")
PRIOR = SizePrior(
    language="de", size_class="7-9B", models=20, p10=30, median=50, p90=70, evidence=SOURCE
)


def score(
    value: float | None = 80,
    *,
    tasks: int = 6,
    sources: tuple[str, ...] = ("a", "b"),
    spread: float | None = 10,
    small: bool = False,
    measured_on: MeasuredOn = "this_model",
    normalized: float | None = None,
) -> LanguageScore:
    return LanguageScore(
        language="de",
        relative_to_p95=value,
        relative_spread=spread,
        normalized=normalized,
        datasets=tasks,
        tasks=tasks,
        sources=sources,
        small_samples=small,
        measured_on=measured_on,
        measured_model="m",
        evidence=SOURCE,
    )


def covered(*scores: LanguageScore, prior: SizePrior | None = None, **more: object) -> Coverage:
    evidence = LanguageEvidence.model_validate({"scores": scores, "prior": prior, **more})
    return cover(evidence, "de", context_tokens=0, window_tokens=None)


def test_nothing_known_gives_no_number():
    found = covered()
    assert (found.coverage, found.grade, found.verdict) == (None, "U", "unknown")


def test_a_prior_alone_is_graded_d_and_keeps_its_band():
    found = covered(prior=PRIOR)
    assert found.grade == "D"
    assert found.coverage is not None
    assert found.coverage.value == 50
    assert found.coverage.low < 30
    assert found.coverage.high > 70


@pytest.mark.parametrize(
    ("row", "grade"),
    [
        (score(), "A"),
        (score(sources=("a",)), "B"),
        (score(spread=None), "B"),
        (score(tasks=2), "C"),
        (score(small=True), "C"),
        (score(measured_on="base_model"), "C"),
        (score(None, normalized=60), "C"),
    ],
)
def test_the_grade_says_how_much_evidence_there_is(row: LanguageScore, grade: str):
    assert covered(row).grade == grade


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(100, "strong"), (80, "strong"), (79, "usable"), (60, "usable"), (59, "weak"), (39, "poor")],
)
def test_the_verdict_follows_the_coverage(value: float, verdict: str):
    assert covered(score(value)).verdict == verdict


def test_few_tasks_are_drawn_towards_the_prior():
    few, many = covered(score(90, tasks=1), prior=PRIOR), covered(score(90, tasks=30), prior=PRIOR)
    assert few.coverage is not None
    assert many.coverage is not None
    assert 50 < few.coverage.value < many.coverage.value < 90


def test_small_samples_count_less_than_full_ones():
    small, full = covered(score(90, small=True), prior=PRIOR), covered(score(90), prior=PRIOR)
    assert small.coverage is not None
    assert full.coverage is not None
    assert small.coverage.value < full.coverage.value
    assert small.coverage.high - small.coverage.low > full.coverage.high - full.coverage.low


def test_a_row_of_this_model_beats_one_of_its_base():
    found = covered(score(20, measured_on="base_model", tasks=50), score(70))
    assert found.score is not None
    assert found.score.measured_on == "this_model"


@given(
    st.floats(0, 150),
    st.integers(1, 60),
    st.floats(0, 60),
    st.booleans(),
    st.sampled_from([None, PRIOR]),
)
def test_coverage_lies_between_0_and_100_and_in_its_band(
    value: float, tasks: int, spread: float, small: bool, prior: SizePrior | None
):
    found = covered(score(value, tasks=tasks, spread=spread, small=small), prior=prior)
    band = found.coverage
    assert band is not None
    assert 0 <= band.low <= band.value <= band.high <= 100


def test_length_costs_what_was_measured():
    points = tuple(
        RetentionPoint(
            language="de",
            context_tokens=tokens,
            score=kept,
            benchmark="b",
            measured_model="m",
            evidence=SOURCE,
        )
        for tokens, kept in ((8_192, 80.0), (131_072, 40.0))
    )
    evidence = LanguageEvidence(scores=(score(80),), retention=points)
    found = cover(evidence, "de", context_tokens=131_072, window_tokens=None)
    assert found.coverage is not None
    assert found.coverage.value == 40
    assert found.verdict == "weak"


def test_a_length_nobody_measured_widens_the_band_and_is_said():
    found = cover(
        LanguageEvidence(scores=(score(80),)), "de", context_tokens=131_072, window_tokens=None
    )
    assert found.coverage is not None
    assert found.coverage.low < 80 * 0.16
    assert found.note


def test_tokens_that_cost_more_shorten_the_window():
    fertility = Fertility(
        language="de", tokenizer="t", ratio_to_english=1.6, corpus="c", evidence=SOURCE
    )
    found = cover(
        LanguageEvidence(fertility=(fertility,)), "de", context_tokens=0, window_tokens=16_000
    )
    assert found.tokens_per_english_token == 1.6
    assert found.effective_context_tokens == 10_000
