"""Full names and dates of the publications that the raw evidence cites by short names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from whichweights_plugins.knowledge._tables import Row
from whichweights_plugins.knowledge.building._builder import read_jsonl
from whichweights_plugins.knowledge.building._provenance import COLLECTED, UNDATED

Source = tuple[str, str, str | None]
"""Name, date, note (that the source bears no date)."""

_QWEN3 = "QwenLM/Qwen3 technical report"
_CARD_DATES = {"llama3_1": "2024-07", "llama3_2": "2024-09", "llama3_3": "2024-12"}
"""Release months of the Llama models, whose cards bear no other date."""

_BENCHMARK_DATES = {"ONERULER": "2025-03"}
"""Of papers whose number (arXiv:2503.01996) holds the month."""


def dated(name: str, date: str | None) -> Source:
    """The source with its date; without one, the day of collection and a note that says so."""
    if date:
        return name, date, None
    for card, released in _CARD_DATES.items():
        if card in name:
            return name, released, None
    return name, COLLECTED, UNDATED


def benchmark_source(name: str, benchmark: str) -> Source:
    """The source of a long-context benchmark, which the raw facts leave undated."""
    date = _BENCHMARK_DATES.get(benchmark, "2025-05" if name.startswith(_QWEN3) else None)
    return dated(name, date)


def language_sources(facts: Path) -> dict[str, Source]:
    """The full source for each short name of the language summary, Llama cards by model id."""
    found: dict[str, Source] = {}
    for row in read_jsonl(facts / "language_scores.jsonl.gz"):
        for key in _short_names(row):
            found.setdefault(key, dated(_full_name(row["source"]), row.get("date")))
    return found


def source_of(short: str, model: str, sources: dict[str, Source]) -> Source:
    """The source a summary row cites. Raises KeyError for a short name no raw row has."""
    return sources.get(f"{short} {model}") or sources[short]


def _short_names(row: Row) -> Iterable[str]:
    source: str = row["source"]
    if source.startswith("meta-llama/"):
        yield f"meta-llama/llama-models {row['model']}"
    elif source.startswith("EuroEval"):
        yield "EuroEval"
    else:
        yield source.partition("@")[0].partition(" ")[0]


def _full_name(source: str) -> str:
    return f"{_QWEN3}, Tables 24-35" if source.startswith(_QWEN3) else source
