"""Means over a family of languages → one row a model and family. Never a score of one language."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from whichweights_plugins.knowledge._tables import Row
from whichweights_plugins.knowledge.building._builder import Built, TableBuilder, read_jsonl
from whichweights_plugins.knowledge.building._provenance import repeated, without_provenance


def family_rows(facts: Path) -> list[Row]:
    """`languages` are BCP-47 tags (arb = ar), `scores` pairs of [mode, score].

    "Other" is left out: a mean over unrelated languages says nothing about any of them.
    """
    import langcodes

    rows: dict[tuple[str, str], Row] = {}
    for raw in read_jsonl(facts / "language_family_scores.jsonl"):
        key = (raw["model"], raw["language_family"])
        if raw["language_family"] == "Other":
            continue
        if key not in rows:
            codes: list[str] = raw["languages_iso639_3"]
            tags = {langcodes.standardize_tag(code, macro=True) for code in codes}
            rows[key] = {
                "model": raw["model"],
                "family": raw["language_family"],
                "benchmark": raw["benchmark"],
                "chance": raw["chance"],
                "languages": sorted(tags),
                "scores": [],
                "source": raw["source"],
                "date": raw["date"],
            }
        rows[key]["scores"].append([raw.get("mode"), raw["score"]])
    return list(rows.values())


def check_families(rows: Sequence[Row]) -> list[str]:
    """What is wrong with the shipped means."""
    return (
        without_provenance(rows)
        + repeated(rows, "model", "family")
        + [
            f"{row['model']} {row['family']}: a score is outside 0 to 100"
            for row in rows
            if not all(0 <= score <= 100 for _, score in row["scores"])
        ]
    )


BUILDERS = (
    TableBuilder("language_families", lambda facts: Built(family_rows(facts)), check_families),
)
