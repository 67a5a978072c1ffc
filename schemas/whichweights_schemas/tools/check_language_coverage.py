"""check_language_coverage: is this model any good in my language, over this context?"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from whichweights_schemas._base import Shape
from whichweights_schemas.evidence import Band, Basis
from whichweights_schemas.tools._common import ToolArguments, ToolResult
from whichweights_schemas.tools._forms import Name, Names, TokensOrZero

Grade = Literal["A", "B", "C", "D", "U"]
"""A: measured, ≥ 3 tasks, ≥ 2 sources · B: ≥ 3 tasks, one source · C: thin, inherited or through a
near language · D: prior of the size class only · U: nothing, no number."""

LanguageVerdict = Literal["strong", "usable", "weak", "poor", "unknown"]


class CheckLanguageCoverageArguments(ToolArguments):
    """How good is this model in these languages?"""

    model: Name
    languages: Names = Field(description='BCP-47 tags or names: "de", "Brazilian Portuguese"')
    context_tokens: TokensOrZero = Field(default=0, description="0: do not consider length")


class QualityParts(Shape):
    """The parts behind `coverage`, each on its own scale; null = nothing of that kind."""

    relative_to_p95: float | None = None
    normalized: float | None = None
    prior_low: float | None = None
    prior_median: float | None = None
    prior_high: float | None = None
    tasks: int = 0
    sources: int = 0


class LanguageRow(Shape):
    """One piece of evidence, as published."""

    kind: Literal["score", "prior", "fertility", "retention", "rating", "family"] = Field(
        description=(
            "rating: Elo of people's votes, another scale than the 0-100 of the others; "
            "family: a mean over several languages"
        )
    )
    what: str
    value: float
    low: float | None = None
    high: float | None = None
    measured_model: str | None = None
    measured_on: str | None = None
    source: str
    date: str | None


class Retention(Shape):
    """Share of short-context retrieval skill kept at this length, in percent."""

    at_tokens: int
    value: float | None
    low: float | None
    high: float | None
    basis: Basis
    note: str | None = None


class LanguageAnswer(Shape):
    """One language. `coverage` 0-100, where 100 = the 95th-percentile model on the same tests."""

    input: str
    tag: str
    name: str
    official: Literal["listed", "not_listed", "unknown"]
    coverage: Band | None
    grade: Grade
    quality: QualityParts
    rows: tuple[LanguageRow, ...]
    tokens_per_english_token: float | None
    effective_context_tokens: int | None
    retention: Retention | None
    verdict: LanguageVerdict
    note: str | None = None


class BetterModel(Shape):
    """A model of similar size with better evidence in the weakest of these languages."""

    model: str
    language: str
    coverage: float
    grade: Grade
    parameters: int | None = None


class CheckLanguageCoverageResult(ToolResult):
    """The answer of check_language_coverage."""

    model: str
    languages: tuple[LanguageAnswer, ...]
    better_models: tuple[BetterModel, ...] = ()
