"""Rows of evidence about one model and one language. Parts, never one number."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from whichweights_schemas._base import Shape
from whichweights_schemas.evidence import Evidence

MeasuredOn = Literal["this_model", "base_model", "same_family"]


class OfficialClaim(Shape):
    """Whether the maker lists the language. A claim, never a score; unlisted is not unsupported."""

    status: Literal["listed", "not_listed", "unknown"]
    claim_level: str | None = None
    listed_count: int | None = None
    note: str | None = None
    unverified: tuple[str, ...] = Field(default=(), description="Parts of the list nobody checked")
    evidence: Evidence | None = None


class LanguageScore(Shape):
    """Published quality of a model in a language, on a 0-100 scale.

    `relative_to_p95`: mean of the score relative to the 95th-percentile model of each dataset,
    times 100 (may exceed 100). `normalized`: 100 (score - chance) / (100 - chance).
    """

    language: str
    relative_to_p95: float | None = None
    relative_spread: float | None = Field(default=None, description="Standard deviation, datasets")
    normalized: float | None = None
    datasets: int
    tasks: int
    sources: tuple[str, ...]
    small_samples: bool = Field(default=False, description="About ten items a cell")
    measured_on: MeasuredOn = "this_model"
    measured_model: str
    parameters: int | None = None
    mode: str | None = None
    evidence: Evidence


class LanguageRating(Shape):
    """How people's votes rate a model's answers in a language, in Elo: no share of right answers.

    `place` among `models` rated in the language; `p95_rating` = the 95th-percentile one's rating.
    """

    language: str
    benchmark: str
    rating: float
    ci_low: float
    ci_high: float
    place: int
    models: int
    p95_rating: float
    measured_on: MeasuredOn = "this_model"
    measured_model: str
    mode: str | None = None
    evidence: Evidence


class FamilyMean(Shape):
    """A mean over the tested languages of a family, 0-100 right answers; never of one language."""

    family: str
    languages: tuple[str, ...]
    benchmark: str
    score: float
    chance: float
    mode: str | None = None
    measured_on: MeasuredOn = "this_model"
    measured_model: str
    evidence: Evidence


class SizePrior(Shape):
    """What models of this size class reach in this language (relative to the p95 model = 100)."""

    language: str
    size_class: str
    models: int
    p10: float
    median: float
    p90: float
    evidence: Evidence


class Fertility(Shape):
    """Tokens this tokenizer needs for a text, relative to the same text in English."""

    language: str
    tokenizer: str
    ratio_to_english: float
    tokens_per_character: float | None = None
    tokens_per_english_word: float | None = Field(
        default=None, description="Of English prose with this tokenizer, whatever `language` is"
    )
    corpus: str
    evidence: Evidence


class RetentionPoint(Shape):
    """A measured score at one context length (retrieval: an upper bound on useful skill)."""

    language: str
    context_tokens: int
    score: float
    benchmark: str
    measured_on: MeasuredOn = "this_model"
    measured_model: str
    evidence: Evidence


class LanguageEvidence(Shape):
    """All one provider has on one model and one language; several providers are concatenated."""

    official: OfficialClaim | None = None
    scores: tuple[LanguageScore, ...] = ()
    prior: SizePrior | None = None
    fertility: tuple[Fertility, ...] = ()
    retention: tuple[RetentionPoint, ...] = ()
    ratings: tuple[LanguageRating, ...] = ()
    family_means: tuple[FamilyMean, ...] = ()


class ModelScore(Shape):
    """One published score of a model on a benchmark other than language coverage."""

    skill: str = Field(description="agentic, coding, reasoning, knowledge, chat, vision …")
    benchmark: str
    version: str | None = Field(default=None, description="Versions are different scales")
    metric: str | None = None
    score: float
    scale: str = "0-100"
    mode: str | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    self_reported: bool = False
    measured_on: MeasuredOn = "this_model"
    measured_model: str
    evidence: Evidence


class ScorePrior(Shape):
    """Quartiles of a size class on a benchmark: a prior, never a score of one model."""

    skill: str
    benchmark: str
    version: str | None = Field(default=None, description="Versions are different scales")
    size_class: str
    models: int
    p25: float
    median: float
    p75: float
    minimum: float | None = None
    maximum: float | None = None
    evidence: Evidence


class ScoreEvidence(Shape):
    """All one provider has on one model and one skill."""

    scores: tuple[ModelScore, ...] = ()
    priors: tuple[ScorePrior, ...] = ()


class DevicePrice(Shape):
    """What an hour of a device costs; only the user's own table or a price provider says so."""

    name: str
    usd_per_hour: float
    date: str
    source: str
