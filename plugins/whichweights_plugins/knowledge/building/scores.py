"""Raw benchmark scores → one row a model: agentic, coding, reasoning, knowledge, chat, math."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from whichweights_plugins.knowledge._lineage import canonical
from whichweights_plugins.knowledge._tables import Row
from whichweights_plugins.knowledge.building._benchmarks import benchmark
from whichweights_plugins.knowledge.building._builder import Built, TableBuilder, read_jsonl
from whichweights_plugins.knowledge.building._labels import Labels
from whichweights_plugins.knowledge.building._provenance import repeated, without_provenance
from whichweights_plugins.knowledge.building._sources import dated

_LONG_METRIC = 24
_MAKERS = {
    "LG-AI-EXAONE/": ("LG", "lgai-exaone/"),
    "MoonshotAI/": ("Moonshot AI", "moonshotai/"),
    "QwenLM/": ("Alibaba (Qwen)", "qwen/"),
    "zai-org/": ("Z.ai", "zai-org/"),
    "meta-llama/": ("Meta", "meta-llama/"),
}
"""Sources that are a maker's own publication: who, and whose models it makes."""


def score_rows(facts: Path) -> list[Row]:
    """One row a model: `labels`, `sources` and `scores` of [index of its label, index of its
    source, benchmark, version, skills, metric, score, scale, mode, ci_low, ci_high,
    self_reported, note]."""
    labels = Labels.of(facts)
    models: dict[str, Row] = {}
    for name in ("agentic_scores.jsonl", "general_scores.jsonl"):
        for raw in read_jsonl(facts / name):
            model, mode = labels.resolve(raw["model"])
            row = models.setdefault(
                canonical(model), {"model": model, "labels": [], "sources": [], "scores": []}
            )
            score = _score(raw, model, mode)
            source = list(dated(raw["source"], raw.get("date")))
            places = [_place(row["labels"], raw["model"]), _place(row["sources"], source)]
            row["scores"].append([*places, *score])
    return list(models.values())


def _score(raw: Row, model: str, label_mode: str | None) -> list[Any]:
    measured = benchmark(raw)
    metric: str | None = raw.get("metric")
    notes: list[str] = []
    if metric and len(metric) > _LONG_METRIC:
        notes.append(metric)
        metric = None
    own, said = _reported_by_maker(raw, model)
    if said:
        notes.append(said)
    if raw.get("derived"):
        notes.append(f"derived: {raw['derived']}")
    if raw.get("reasoning_effort"):
        notes.append(f"reasoning effort {raw['reasoning_effort']}")
    score = [
        measured.name,
        measured.version,
        list(measured.skills),
        metric,
        raw["score"],
        raw["scale"],
        raw.get("mode") or label_mode,
        raw.get("ci_low"),
        raw.get("ci_high"),
        bool(raw.get("self_reported", own)),
        "; ".join(notes) or None,
    ]
    while score[-1] is None:
        score.pop()
    return score


def _reported_by_maker(raw: Row, model: str) -> tuple[bool, str | None]:
    for beginning, (maker, owner) in _MAKERS.items():
        if raw["source"].startswith(beginning):
            own = canonical(model).startswith(owner)
            return own, None if own else f"reported by {maker}, a competitor"
    return False, None


def _place(known: list[Any], value: Any) -> int:
    if value not in known:
        known.append(value)
    return known.index(value)


def prior_rows(facts: Path) -> list[Row]:
    """Quartiles of a size class on a benchmark."""
    raw = json.loads((facts / "agentic_priors.json").read_text(encoding="utf-8"))
    rows: list[Row] = []
    for prior in raw["priors"]:
        match = re.fullmatch(r"(BFCL) (v\d) (\w+)", prior["benchmark"])
        if match is None:
            raise ValueError(f"unknown benchmark {prior['benchmark']!r}")
        rows.append(
            {
                "skill": "agentic",
                "benchmark": f"{match[1]} {match[3]}",
                "version": match[2],
                "size_class": prior["size_class"],
                "models": prior["n_models"],
                "p25": prior["p25"],
                "median": prior["median"],
                "p75": prior["p75"],
                "minimum": prior["min"],
                "maximum": prior["max"],
                "source": raw["source"],
                "date": raw["as_of"],
            }
        )
    return rows


def build_scores(facts: Path) -> Built:
    """The table of scores, and how many labels are repositories."""
    rows = score_rows(facts)
    found = sum("/" in row["model"] for row in rows)
    count = sum(len(row["scores"]) for row in rows)
    return Built(rows, [f"{count} scores of {len(rows)} models, {found} by repository id"])


def check_scores(rows: Sequence[Row]) -> list[str]:
    """What is wrong with the shipped table."""
    problems = without_provenance(rows) + repeated(rows, "model")
    for row in rows:
        for score in row["scores"]:
            scale, value = score[7], score[6]
            if not (0 <= value <= 100 if scale == "0-100" else scale == "Elo"):
                problems.append(f"{row['model']}: {score[2]} {value} is not on scale {scale}")
    return problems


def check_priors(rows: Sequence[Row]) -> list[str]:
    """What is wrong with the shipped priors."""
    return without_provenance(rows) + [
        f"{row['benchmark']} {row['version']} {row['size_class']}: quartiles out of order"
        for row in rows
        if not row["minimum"] <= row["median"] <= row["maximum"] or row["p25"] > row["p75"]
    ]


BUILDERS = (
    TableBuilder("scores", build_scores, check_scores),
    TableBuilder("score_priors", lambda facts: Built(prior_rows(facts)), check_priors),
)
