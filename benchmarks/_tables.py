"""Markdown tables and the few statistics the benchmarks print."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterable, Sequence


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A titled markdown table; floats with as many digits as they deserve."""
    lines = [f"\n### {title}\n", _line(head), _line(["---"] * len(head))]
    lines.extend(_line([_cell(value) for value in row]) for row in rows)
    return "\n".join(lines)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies (nearest rank). Raises on no values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return statistics.median(values)


def load() -> str:
    """How busy the machine was, as timings need to be read with it."""
    one, five, _ = os.getloadavg()
    return f"load average {one:.1f} (1 min), {five:.1f} (5 min) on {os.cpu_count()} cores"


def verdict(value: float, bar: float) -> str:
    """Whether a figure keeps its bar."""
    return "yes" if value <= bar else "**no**"


def _line(cells: Iterable[object]) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
