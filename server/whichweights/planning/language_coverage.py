"""From rows of evidence to coverage, grade and verdict of one model in one language."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from whichweights.planning.retention import RetentionFigure, retention_at
from whichweights_schemas.evidence import Band
from whichweights_schemas.languages import (
    LanguageEvidence,
    LanguageRating,
    LanguageScore,
    SizePrior,
)

Grade = Literal["A", "B", "C", "D", "U"]
LanguageVerdict = Literal["strong", "usable", "weak", "poor", "unknown"]

# A prior counts as much as two measured tasks; a task of about ten items as a fifth of one
# (standard error up to 16 points). Our convention, not fitted.
PRIOR_TASKS = 2.0
SMALL_SAMPLE_WEIGHT = 0.2

# p10-p90 of a normal distribution widened to p5-p95, so that the band holds for 90 %.
_P10_TO_P5 = 1.645 / 1.2816
_Z90 = 1.645
_SMALL_SAMPLE_SPREAD = 16.0
_UNKNOWN_SPREAD = 20.0

_NEARNESS = {"this_model": 2, "base_model": 1, "same_family": 0}

_LABELS: tuple[tuple[float, LanguageVerdict], ...] = (
    (80.0, "strong"),
    (60.0, "usable"),
    (40.0, "weak"),
    (0.0, "poor"),
)


@dataclass(frozen=True)
class Coverage:
    """One language of one model. `score` is the row the measured part rests on."""

    coverage: Band | None
    grade: Grade
    verdict: LanguageVerdict
    score: LanguageScore | None
    prior: SizePrior | None
    retention: RetentionFigure | None
    tokens_per_english_token: float | None
    effective_context_tokens: int | None
    note: str | None
    rating: LanguageRating | None = None


def cover(
    evidence: LanguageEvidence, language: str, *, context_tokens: int, window_tokens: int | None
) -> Coverage:
    """Coverage of a language: measured rows shrunk to the size prior, times retention.

    0-100, where 100 is the 95th-percentile model on the same tests. No rows and no prior give no
    number. `context_tokens` 0 leaves length out.
    """
    score = _best(evidence.scores)
    band, scale_note = _quality(score, evidence.prior)
    retention = (
        retention_at(evidence.retention, language, context_tokens) if context_tokens else None
    )
    covered, length_note = _with_retention(band, retention)
    grade = _grade(score, evidence.prior)
    premium = evidence.fertility[0].ratio_to_english if evidence.fertility else None
    return Coverage(
        coverage=covered,
        grade=grade,
        verdict=_verdict(covered),
        score=score,
        prior=evidence.prior,
        retention=retention,
        tokens_per_english_token=premium,
        effective_context_tokens=(
            int(window_tokens / premium) if window_tokens and premium else None
        ),
        note="; ".join(filter(None, (scale_note, length_note))) or None,
        rating=best_rating(evidence.ratings),
    )


def best_rating(ratings: Sequence[LanguageRating]) -> LanguageRating | None:
    """The rating of the nearest relative, in the mode people like best."""
    return max(ratings, key=lambda r: (_NEARNESS[r.measured_on], r.rating), default=None)


def standing(rating: LanguageRating) -> Band:
    """Where votes put the model, 0-100: twice its expected share of votes against the
    95th-percentile model of the language, at most 100; the band is that of the rating.

    For ordering models nobody tested in the language, never as coverage. The share is the one the
    Elo scale is defined by, 1 / (1 + 10^(-difference / 400)) (Elo 1978); the doubling, so that the
    95th-percentile model stands at 100 as it does for coverage, is our convention.
    """

    def share(elo: float) -> float:
        return _clip(200 / (1 + 10 ** ((rating.p95_rating - elo) / 400)))

    return Band(value=share(rating.rating), low=share(rating.ci_low), high=share(rating.ci_high))


def low_edge(coverage: Coverage) -> float | None:
    """What a ranking may count on: of the coverage, else of the standing by votes, else nothing."""
    if coverage.coverage is not None:
        return coverage.coverage.low
    return standing(coverage.rating).low if coverage.rating is not None else None


def _best(scores: Sequence[LanguageScore]) -> LanguageScore | None:
    """The row on this very model with most tasks; else of the nearest relative."""
    return max(
        (score for score in scores if _value(score) is not None),
        key=lambda s: (_NEARNESS[s.measured_on], s.relative_to_p95 is not None, s.tasks),
        default=None,
    )


def _value(score: LanguageScore) -> float | None:
    return score.normalized if score.relative_to_p95 is None else score.relative_to_p95


def _quality(
    score: LanguageScore | None, prior: SizePrior | None
) -> tuple[Band | None, str | None]:
    if score is None:
        return (None, None) if prior is None else (_prior_band(prior), None)
    value = _value(score)
    assert value is not None
    if score.relative_to_p95 is None:
        return _band(value, _half_width(score)), "share above chance: no pool to compare with"
    tasks = score.tasks * (SMALL_SAMPLE_WEIGHT if score.small_samples else 1.0)
    if prior is None:
        return _band(value, _half_width(score)), None
    weight = tasks / (tasks + PRIOR_TASKS)
    mixed = weight * value + (1 - weight) * prior.median
    prior_half = (prior.p90 - prior.p10) / 2 * _P10_TO_P5
    half = math.hypot(weight * _half_width(score), (1 - weight) * prior_half)
    return _band(mixed, half), None


def _half_width(score: LanguageScore) -> float:
    """90 % half width of a mean over datasets, from their spread."""
    if score.small_samples:
        return _Z90 * _SMALL_SAMPLE_SPREAD / math.sqrt(max(1, score.datasets))
    spread = score.relative_spread or _UNKNOWN_SPREAD
    return _Z90 * spread / math.sqrt(max(1, score.datasets))


def _prior_band(prior: SizePrior) -> Band:
    low = prior.median - (prior.median - prior.p10) * _P10_TO_P5
    high = prior.median + (prior.p90 - prior.median) * _P10_TO_P5
    return Band(value=_clip(prior.median), low=_clip(low), high=_clip(high))


def _band(value: float, half: float) -> Band:
    return Band(value=_clip(value), low=_clip(value - half), high=_clip(value + half))


def _clip(value: float) -> float:
    return round(min(100.0, max(0.0, value)), 1)


def _with_retention(
    band: Band | None, retention: RetentionFigure | None
) -> tuple[Band | None, str | None]:
    if band is None or retention is None or retention.at_tokens == 0:
        return band, None
    if retention.low is None or retention.high is None:
        return band, f"length not considered: {retention.note}"
    low = _clip(band.low * retention.low / 100)
    high = _clip(band.high * retention.high / 100)
    if retention.value is None:
        value = min(max(band.value, low), high)
        return Band(value=value, low=low, high=high), retention.note
    return Band(value=_clip(band.value * retention.value / 100), low=low, high=high), None


def _grade(score: LanguageScore | None, prior: SizePrior | None) -> Grade:
    if score is None:
        return "U" if prior is None else "D"
    thin = score.tasks < 3 or score.small_samples or score.measured_on != "this_model"
    if thin or score.relative_to_p95 is None:
        return "C"
    return "A" if len(score.sources) >= 2 and score.relative_spread is not None else "B"


def _verdict(band: Band | None) -> LanguageVerdict:
    if band is None:
        return "unknown"
    return next(label for floor, label in _LABELS if band.value >= floor)
