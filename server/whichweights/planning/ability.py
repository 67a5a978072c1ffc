"""One scale out of many benchmarks: how able models are at a skill, by what was published.

Scores of different benchmarks, and of different versions of one, are different scales. On each of
them the models are ranked; the ranks are laid on the scale of one reference benchmark of the skill,
by what size and release date let expect of the models that were measured, so that a benchmark run
only by strong models does not make them look average. Ranks, not distances: raising one score never
raises another model. The expectation also stands in, as a prior, for models nobody measured.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import NormalDist, fmean, pstdev

from whichweights_schemas.languages import ModelScore
from whichweights_schemas.models import ModelSpec

__all__ = ["LINES", "MIN_MODELS", "PRIOR_ROWS", "Ability", "Line", "line_of", "percent", "rate"]

# Fewer ranked models than this say little about any of them. Our convention.
MIN_MODELS = 8
# The prior counts as much as one published benchmark. Our convention, not fitted.
PRIOR_ROWS = 1.0
# A leaderboard on which only the maker reports a model counts half. Our convention.
SELF_REPORTED = 0.5
# A model nobody measured is ranked where 97 % of its kind are above: two residual deviations down.
CAUTION = 2.0

_NORMAL = NormalDist()
_UNKNOWN_PARAMETERS = 7e9
_UNKNOWN_YEAR = -0.5


@dataclass(frozen=True)
class Line:
    """What size and date let expect: intercept + size log10(billions) + year (year - 2025).

    In normal scores of the rank among all models of the reference benchmark, hosted ones included.
    `latest`: release of the newest measured model; newer ones are not extrapolated.
    """

    benchmark: str
    intercept: float
    size: float
    year: float
    residual: float
    r_squared: float
    models: int
    latest: float

    def expected(self, features: tuple[float, float]) -> float:
        """The normal score of a model of this size and date."""
        size, year = features
        return self.intercept + self.size * size + self.year * min(year, self.latest)


# Ordinary least squares over the catalogue's models with a date, on each table as of 2026-11-20:
# LMArena text catalogue 2025-12-17, BFCL v4 2026-04-12, published GPQA and MMLU-Pro scores.
LINES: Mapping[str, Line] = {
    "chat": Line("LMArena text", -0.92, 0.58, 0.77, 0.26, 0.91, 89, 0.92),
    "coding": Line("LMArena text: coding", -0.88, 0.57, 0.83, 0.25, 0.92, 89, 0.92),
    "math": Line("LMArena text: math", -0.67, 0.47, 0.88, 0.25, 0.91, 88, 0.92),
    "reasoning": Line("GPQA", -1.50, 0.74, 0.80, 0.52, 0.66, 56, 0.67),
    "knowledge": Line("MMLU-Pro", -1.50, 0.96, 0.86, 0.49, 0.79, 48, 0.67),
    "agentic": Line("BFCL overall", -1.35, 0.76, 0.97, 0.46, 0.75, 32, 0.67),
}


@dataclass(frozen=True)
class Ability:
    """How able a model is, in normal scores of the skill's line; comparable within one skill.

    `benchmarks` counts independent ones, parts of one leaderboard once. `row`: the published score
    to show. `value` of a model nobody measured is the low end of its prior.
    """

    value: float
    benchmarks: int
    row: ModelScore | None

    @property
    def measured(self) -> bool:
        """Whether anything was published for this very model."""
        return self.benchmarks > 0


@dataclass
class _Group:
    """Values of one model on one leaderboard, and what the leaderboard counts."""

    values: list[float] = field(default_factory=list[float])
    weight: float = 0.0


_Table = dict[str, ModelScore]
_Key = tuple[str, str]


def line_of(skill: str) -> Line:
    """The line of a skill; of chat for a skill without one (its rows are then laid on that)."""
    return LINES.get(skill, LINES["chat"])


def rate(models: Sequence[ModelSpec], rows: Sequence[ModelScore], skill: str) -> dict[str, Ability]:
    """Ability of every model by id. The order of models and rows does not matter."""
    line = line_of(skill)
    expected = {spec.id.lower(): line.expected(_features(spec)) for spec in models}
    tables = _tables(rows, expected)
    groups: dict[str, dict[str, _Group]] = defaultdict(lambda: defaultdict(_Group))
    shown: dict[str, tuple[tuple[bool, int, str, str], ModelScore]] = {}
    for key, table in tables.items():
        for name, value in _laid_on_line(table, expected).items():
            row = table[name]
            group = groups[name][key[0].split()[0]]
            group.values.append(value)
            group.weight = max(group.weight, SELF_REPORTED if row.self_reported else 1.0)
            rank = (not row.self_reported, len(table), row.evidence.date or "", row.benchmark)
            if name not in shown or rank > shown[name][0]:
                shown[name] = rank, row
    return {
        spec.id: _ability(groups.get(spec.id.lower()), shown.get(spec.id.lower()), spec, line)
        for spec in models
    }


def _ability(
    groups: Mapping[str, _Group] | None,
    shown: tuple[object, ModelScore] | None,
    spec: ModelSpec,
    line: Line,
) -> Ability:
    prior = line.expected(_features(spec))
    if not groups or shown is None:
        return Ability(prior - CAUTION * line.residual, 0, None)
    weight = PRIOR_ROWS + sum(group.weight for group in groups.values())
    total = PRIOR_ROWS * prior
    total += sum(group.weight * fmean(group.values) for group in groups.values())
    return Ability(total / weight, len(groups), shown[1])


def _features(spec: ModelSpec) -> tuple[float, float]:
    parameters = spec.parameters.total or spec.parameters.language or _UNKNOWN_PARAMETERS
    return math.log10(parameters / 1e9), _year(spec.release_date)


def _year(date: str | None) -> float:
    """Years since 2025 with the month as a fraction; without a date, the middle of 2024."""
    if not date or not date[:4].isdigit():
        return _UNKNOWN_YEAR
    month = int(date[5:7]) if date[5:7].isdigit() else 7
    return int(date[:4]) - 2025 + (month - 1) / 12


def _tables(rows: Sequence[ModelScore], known: Mapping[str, float]) -> dict[_Key, _Table]:
    """One row of every known model on every benchmark version, in a fixed order."""
    tables: dict[_Key, _Table] = defaultdict(dict)
    for row in rows:
        name = row.measured_model.lower()
        if row.measured_on != "this_model" or name not in known:
            continue
        table = tables[row.benchmark, row.version or ""]
        if name not in table or _better(row, table[name]):
            table[name] = row
    whole = {key: tables[key] for key in sorted(tables) if not _is_part(key, tables)}
    return {key: table for key, table in whole.items() if len(table) >= MIN_MODELS}


def _better(row: ModelScore, other: ModelScore) -> bool:
    """Independent before self-reported, then the better mode; ties are told apart by source."""
    return _order(row) > _order(other)


def _order(row: ModelScore) -> tuple[bool, float, str, str, str]:
    return (
        not row.self_reported,
        row.score,
        row.evidence.date or "",
        row.evidence.source,
        row.mode or "",
    )


def _is_part(key: _Key, tables: Mapping[_Key, _Table]) -> bool:
    """A part of a benchmark whose overall score is there too: it would count twice."""
    benchmark, version = key
    whole = benchmark.partition(":")[0]
    overall = f"{benchmark.split()[0]} overall"
    return (whole != benchmark and (whole, version) in tables) or (
        overall != benchmark and (overall, version) in tables
    )


def _laid_on_line(table: _Table, expected: Mapping[str, float]) -> dict[str, float]:
    """Normal scores of the ranks, with the mean and the spread that the line expects of them."""
    expectations = [expected[name] for name in table]
    centre, spread = fmean(expectations), pstdev(expectations)
    scale = spread / _spread_of_normal_scores(len(table))
    ordered = sorted(row.score for row in table.values())
    return {name: centre + scale * _normal_score(ordered, row.score) for name, row in table.items()}


def _normal_score(ordered: Sequence[float], score: float) -> float:
    """The normal quantile of the middle rank of a score (ties share one)."""
    middle = (bisect_left(ordered, score) + bisect_right(ordered, score)) / 2
    return _quantile(middle / len(ordered))


@lru_cache(maxsize=4096)
def _quantile(share: float) -> float:
    return _NORMAL.inv_cdf(share)


@lru_cache(maxsize=512)
def _spread_of_normal_scores(count: int) -> float:
    return pstdev(_quantile((rank + 0.5) / count) for rank in range(count))


def percent(value: float) -> float:
    """A normal score as 0-100: the share of the line's models below it."""
    return round(100 * _NORMAL.cdf(value), 1)
