"""Raw language evidence → compact tables: one row a model, a tokenizer or a maker's list."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from whichweights_plugins.knowledge._lineage import canonical, without_storage
from whichweights_plugins.knowledge._tables import Row
from whichweights_plugins.knowledge.building._builder import Built, TableBuilder, read_jsonl
from whichweights_plugins.knowledge.building._labels import Labels
from whichweights_plugins.knowledge.building._provenance import (
    COLLECTED,
    repeated,
    without_provenance,
)
from whichweights_plugins.knowledge.building._sources import (
    Source,
    benchmark_source,
    language_sources,
    source_of,
)

_MARKUP = re.compile(r"\s*\(zero-shot, val\)</a>$")

_ENGLISH_TOKENS_PER_WORD = {
    "o200k_base": 1.223,
    "command_r_plus": 1.230,
    "deepseek_v3": 1.231,
    "llama4": 1.231,
    "llama3": 1.236,
    "cl100k_base": 1.236,
    "gemma3": 1.237,
    "claude2_legacy": 1.253,
    "qwen": 1.257,
    "qwen3": 1.257,  # 53,876 tokens over the same words, in the fertility table
    "mistral_tekken": 1.267,
    "mistral_v1_v3_sp32k": 1.365,
}
"""Tokens per word of English prose, measured on FLORES-200 (42,855 words), 2026-11."""

_FERTILITY_SOURCE = "tokenizer runs over FLORES-200 and UDHR parallel texts (ratios and counts)"


def score_rows(facts: Path) -> list[Row]:
    """One row a model: `type` and `parameters` where known, `sources`, and `scores` of [language,
    mode, datasets, tasks, indices of its sources, normalized, relative_to_p95, spread]."""
    counts = _parameter_counts(facts)
    sources = language_sources(facts)
    models: dict[str, Row] = {}
    for raw in read_jsonl(facts / "language_scores_summary.jsonl"):
        model, mode = _model_and_mode(raw["model"])
        row = models.setdefault(canonical(model), {"model": model, "sources": [], "scores": []})
        row |= {field: raw[field] for field in ("type", "parameters") if field in raw}
        row |= _counted(model, counts)
        cited = [source_of(short, model, sources) for short in raw["sources"]]
        row["scores"].append(
            [
                raw["lang"],
                mode,
                raw["n_datasets"],
                raw["n_tasks"],
                [_place(row["sources"], source) for source in cited],
                raw.get("norm_mean"),
                raw.get("rel_p95_mean"),
                raw.get("rel_p95_sd"),
            ]
        )
    for row in models.values():
        row["scores"] = _fullest(row["scores"])
    return list(models.values())


def _parameter_counts(facts: Path) -> dict[str, int]:
    rows = read_jsonl(facts / "models.jsonl")
    return {
        canonical(row["repo_id"]): row["parameters_total"]
        for row in rows
        if "parameters_total" in row
    }


def _counted(model: str, counts: dict[str, int]) -> Row:
    """The count of the catalogue: the leaderboard's own is too small for packed weights."""
    key = canonical(model)
    count = counts.get(key) or counts.get(without_storage(key))
    return {"parameters": count} if count else {}


def _model_and_mode(name: str) -> tuple[str, str | None]:
    model, _, mode = name.partition("#")
    return _MARKUP.sub("", model), _MARKUP.sub("", mode) or None


def _place(known: list[list[Any]], source: Source) -> int:
    if list(source) not in known:
        known.append(list(source))
    return known.index(list(source))


def _fullest(scores: list[list[Any]]) -> list[list[Any]]:
    """One score per language and mode: the one over most datasets."""
    kept: dict[tuple[str, str | None], list[Any]] = {}
    for score in scores:
        key = (score[0], score[1])
        if key not in kept or kept[key][2] < score[2]:
            kept[key] = score
    return [kept[key] for key in sorted(kept, key=lambda pair: (pair[0], pair[1] or ""))]


def prior_rows(facts: Path) -> list[Row]:
    """Percentiles of a size class in a language."""
    raw = _read_json(facts / "size_language_priors.json")
    common = {"source": f"{raw['derived_from']}: {raw['measure']}", "date": raw["as_of"]}
    return [
        {
            "size_class": row["size_class"],
            "language": row["language"],
            "models": row["n_models"],
            "p10": row["p10"],
            "median": row["median"],
            "p90": row["p90"],
            **common,
        }
        for row in raw["priors"]
    ]


def official_rows(facts: Path) -> list[Row]:
    """Makers' lists; `languages` null where no list was found."""
    raw = _read_json(facts / "official_languages.json")
    copied = ("family", "applies_to", "languages", "claim_level", "note", "unverified")
    rows: list[Row] = []
    for claim in raw["families"]:
        row = {field: claim[field] for field in copied if field in claim}
        if claim["source"] == "unverified":
            row["languages"] = None  # a list nobody can point to is no list
            row["unverified"] = ["languages"]
        count = claim.get("claimed_count", claim.get("count"))
        if count is not None:
            row["listed_count"] = count
        rows.append(row | {"source": claim["source"], "date": raw["compiled"]})
    return rows


def fertility_rows(facts: Path) -> list[Row]:
    """One row a tokenizer: `ratios` of [tag, script, ratio to English, tokens a character,
    corpus]."""
    rows: dict[str, Row] = {}
    with (facts / "fertility.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            row = rows.setdefault(line["tokenizer"], _tokenizer_row(line["tokenizer"]))
            per_character = round(int(line["tokens"]) / int(line["characters"]), 4)
            ratio = float(line["ratio_to_english"])
            row["ratios"].append(
                [line["language"], line["script"], ratio, per_character, line["corpus"]]
            )
    return list(rows.values())


def _tokenizer_row(tokenizer: str) -> Row:
    row: Row = {"tokenizer": tokenizer}
    if tokenizer in _ENGLISH_TOKENS_PER_WORD:
        row["tokens_per_english_word"] = _ENGLISH_TOKENS_PER_WORD[tokenizer]
    return row | {"source": _FERTILITY_SOURCE, "date": COLLECTED, "ratios": []}


def retention_rows(facts: Path) -> list[Row]:
    """One row a model and benchmark: `points` of [language, context tokens, score].

    Rows without a context length, and aggregates over several languages, are left out: they say
    nothing of decay in one language. Modes are benchmarks of their own: their curves never mix.
    """
    labels = Labels.of(facts)
    rows: dict[tuple[str, str, str], Row] = {}
    for raw in read_jsonl(facts / "long_context.jsonl"):
        if "context_length" not in raw or raw["language"] == "mul":
            continue
        label = raw.get("model") or raw["model_label"]
        model, _ = labels.resolve(label)
        benchmark = raw["benchmark"]
        if raw.get("task", "").startswith("base score"):
            benchmark += " (best score up to 1K tokens)"
        if "mode" in raw:
            benchmark += f" ({raw['mode']})"
        key = (canonical(model), benchmark, raw["source"])
        if key not in rows:
            source, date, note = benchmark_source(raw["source"], raw["benchmark"])
            rows[key] = {
                "model": model,
                "label": label,
                "benchmark": benchmark,
                "source": source,
                "date": date,
                "note": note,
                "points": [],
            }
        rows[key]["points"].append([raw["language"], raw["context_length"], raw["score"]])
    return list(rows.values())


def _read_json(path: Path) -> Row:
    return cast("Row", json.loads(path.read_text(encoding="utf-8")))


def check_scores(rows: Sequence[Row]) -> list[str]:
    """What is wrong with the shipped table of language scores."""
    problems = without_provenance(rows) + repeated(rows, "model")
    for row in rows:
        cited = {place for score in row["scores"] for place in score[4]}
        if cited != set(range(len(row["sources"] or ()))):
            problems.append(f"{row['model']}: scores and sources do not match")
        if any(score[6] is not None and not 0 <= score[6] < 250 for score in row["scores"]):
            problems.append(f"{row['model']}: a relative score is outside 0 to 250")
    return problems


def check_priors(rows: Sequence[Row]) -> list[str]:
    """What is wrong with the shipped size priors."""
    return (
        without_provenance(rows)
        + repeated(rows, "size_class", "language")
        + [
            f"{row['size_class']} {row['language']}: percentiles out of order"
            for row in rows
            if not row["p10"] <= row["median"] <= row["p90"]
        ]
    )


def _table(name: str, make: Callable[[Path], list[Row]], *key: str) -> TableBuilder:
    return TableBuilder(
        name,
        lambda facts: Built(make(facts)),
        lambda rows: without_provenance(rows) + repeated(rows, *key),
    )


BUILDERS = (
    TableBuilder("language_scores", lambda facts: Built(score_rows(facts)), check_scores),
    TableBuilder("language_priors", lambda facts: Built(prior_rows(facts)), check_priors),
    _table("official_languages", official_rows, "family"),
    _table("fertility", fertility_rows, "tokenizer"),
    _table("retention", retention_rows, "model", "benchmark", "source"),
)
