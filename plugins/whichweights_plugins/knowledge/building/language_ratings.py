"""Ratings by people's votes in one language → one row a model. Another scale than a test score."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from whichweights_plugins.knowledge._lineage import canonical
from whichweights_plugins.knowledge._tables import Row
from whichweights_plugins.knowledge.building._builder import Built, TableBuilder, read_jsonl
from whichweights_plugins.knowledge.building._labels import Labels
from whichweights_plugins.knowledge.building._provenance import repeated, without_provenance


def rating_rows(facts: Path) -> list[Row]:
    """One row a model with open weights: `ratings` of [language, mode, rating, low, high, place].

    `place` counts from 1 among all models rated in the language, hosted ones too; `fields` holds
    their number and the rating of the 95th-percentile model, by language.
    """
    raws = read_jsonl(facts / "arena_language_elo.jsonl")
    labels = Labels.of(facts)
    by_language: dict[str, list[float]] = {}
    for raw in raws:
        by_language.setdefault(raw["language"], []).append(raw["score"])
    rows: dict[str, Row] = {}
    for raw in raws:
        model, mode = labels.resolve(raw["model_label"])
        if labels.repository(model) is None:
            continue
        row = rows.setdefault(
            canonical(model),
            {
                "model": model,
                "benchmark": raw["benchmark"],
                "source": raw["source"],
                "date": raw["date"],
                "ratings": [],
                "fields": {},
            },
        )
        language = raw["language"]
        rated = by_language[language]
        place = 1 + sum(score > raw["score"] for score in rated)
        figures = [raw["score"], raw["ci_low"], raw["ci_high"]]
        row["ratings"].append([language, mode, *figures, place])
        row["fields"][language] = [len(rated), _p95(rated)]
    for row in rows.values():
        row["ratings"] = _best_of_each(row["ratings"])
    return list(rows.values())


def _p95(scores: Sequence[float]) -> float:
    """Linear interpolation between the two nearest places."""
    ordered = sorted(scores)
    position = 0.95 * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return round(ordered[below] + (position - below) * (ordered[above] - ordered[below]), 1)


def _best_of_each(ratings: list[list[Any]]) -> list[list[Any]]:
    """One rating per language and mode: two labels may stand for one repository (bf16, fp8)."""
    kept: dict[tuple[str, str | None], list[Any]] = {}
    for rating in sorted(ratings, key=lambda one: one[5], reverse=True):
        kept[rating[0], rating[1]] = rating
    return [kept[key] for key in sorted(kept, key=lambda pair: (pair[0], pair[1] or ""))]


def check_ratings(rows: Sequence[Row]) -> list[str]:
    """What is wrong with the shipped ratings."""
    problems = without_provenance(rows) + repeated(rows, "model")
    for row in rows:
        for language, _, rating, low, high, place in row["ratings"]:
            if not low <= rating <= high:
                problems.append(f"{row['model']} {language}: the interval misses the rating")
            if not 1 <= place <= row["fields"][language][0]:
                problems.append(f"{row['model']} {language}: its place is not on the list")
    return problems


BUILDERS = (
    TableBuilder("language_ratings", lambda facts: Built(rating_rows(facts)), check_ratings),
)
