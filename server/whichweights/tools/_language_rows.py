"""The published rows of one language, as check_language_coverage shows them."""

from __future__ import annotations

from whichweights_schemas.languages import (
    FamilyMean,
    LanguageEvidence,
    LanguageRating,
    LanguageScore,
    RetentionPoint,
)
from whichweights_schemas.tools.check_language_coverage import LanguageRow

_SHOWN = 5


def language_rows(evidence: LanguageEvidence, *, with_length: bool) -> tuple[LanguageRow, ...]:
    """Up to five rows a kind; those of long contexts only where the caller asked for a length."""
    scores = [row for one in evidence.scores if (row := _score(one)) is not None]
    means = [_mean(one) for one in evidence.family_means]
    ratings = [_rating(one) for one in evidence.ratings]
    points = [_point(one) for one in evidence.retention] if with_length else []
    return tuple(row for rows in (scores, means, ratings, points) for row in rows[:_SHOWN])


def _score(row: LanguageScore) -> LanguageRow | None:
    value = row.normalized if row.relative_to_p95 is None else row.relative_to_p95
    if value is None:
        return None
    return LanguageRow(
        kind="score",
        what=_listed(f"{row.tasks} tasks", f"{row.datasets} datasets", row.mode),
        value=value,
        measured_model=row.measured_model,
        measured_on=row.measured_on,
        source=", ".join(row.sources),
        date=row.evidence.date,
    )


def _mean(row: FamilyMean) -> LanguageRow:
    tested = f"mean of {len(row.languages)} {row.family} languages (chance {row.chance:g})"
    return LanguageRow(
        kind="family",
        what=_listed(row.benchmark, tested, row.mode),
        value=row.score,
        measured_model=row.measured_model,
        measured_on=row.measured_on,
        source=row.evidence.source,
        date=row.evidence.date,
    )


def _rating(row: LanguageRating) -> LanguageRow:
    return LanguageRow(
        kind="rating",
        what=_listed(row.benchmark, f"place {row.place} of {row.models}", row.mode),
        value=row.rating,
        low=row.ci_low,
        high=row.ci_high,
        measured_model=row.measured_model,
        measured_on=row.measured_on,
        source=row.evidence.source,
        date=row.evidence.date,
    )


def _point(row: RetentionPoint) -> LanguageRow:
    return LanguageRow(
        kind="retention",
        what=f"{row.benchmark} at {row.context_tokens:,} tokens",
        value=row.score,
        measured_model=row.measured_model,
        measured_on=row.measured_on,
        source=row.evidence.source,
        date=row.evidence.date,
    )


def _listed(*parts: str | None) -> str:
    return ", ".join(filter(None, parts))
