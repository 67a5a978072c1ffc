"""One scale out of many benchmarks: how able models are at a skill, by what was published.

Scores of different benchmarks, and of different versions of one, are different scales. Each is
turned into standard scores among the models it measured, then shifted by how able those models are
expected to be, so that a benchmark run only by strong models does not make them look average.
The expectation is a line in log10(parameters) and release year, fitted on the benchmark that
measured most of the models; it also stands in, as a prior, for models nobody measured.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

from whichweights_schemas.languages import ModelScore
from whichweights_schemas.models import ModelSpec

# Fewer models than this give no usable mean and spread.
MIN_MODELS = 8
# The prior counts as much as one published benchmark. Our convention, not fitted.
PRIOR_ROWS = 1.0


@dataclass(frozen=True)
class Ability:
    """`value`: standard scores, only comparable within one call. `row`: the published score the
    value leans on most; null when it is the prior alone."""

    value: float
    benchmarks: int
    row: ModelScore | None

    @property
    def measured(self) -> bool:
        """Whether anything was published for this very model."""
        return self.benchmarks > 0


@dataclass(frozen=True)
class _Line:
    """Expected standard score of a model from its size and release year."""

    intercept: float
    per_decade_of_parameters: float
    per_year: float

    def expected(self, features: tuple[float, float]) -> float:
        return (
            self.intercept
            + self.per_decade_of_parameters * features[0]
            + self.per_year * features[1]
        )


def rate(models: Sequence[ModelSpec], rows: Sequence[ModelScore]) -> dict[str, Ability]:
    """Ability of every model by id. Rows of other models help to set the scales."""
    features = {spec.id.lower(): _features(spec) for spec in models}
    tables = _tables(rows)
    standard = {key: _standard_scores(table) for key, table in tables.items()}
    line = _fit(standard, features)
    collected: dict[str, list[tuple[float, ModelScore]]] = defaultdict(list)
    for key, scores in standard.items():
        known = [line.expected(features[name]) for name in scores if name in features]
        shift = fmean(known) if known else 0.0
        for name, score in scores.items():
            if name in features:
                collected[name].append((shift + score, tables[key][name]))
    return {spec.id: _ability(collected[spec.id.lower()], line, features, spec) for spec in models}


def _ability(
    found: list[tuple[float, ModelScore]],
    line: _Line,
    features: Mapping[str, tuple[float, float]],
    spec: ModelSpec,
) -> Ability:
    prior = line.expected(features[spec.id.lower()])
    total = sum(value for value, _ in found) + PRIOR_ROWS * prior
    row = max(found, key=lambda pair: _informative(pair[1]))[1] if found else None
    return Ability(total / (len(found) + PRIOR_ROWS), len(found), row)


def _informative(row: ModelScore) -> tuple[bool, str, str]:
    """Independent before self-reported, then the newest; the name makes ties deterministic."""
    return (not row.self_reported, row.evidence.date or "", row.benchmark)


def _features(spec: ModelSpec) -> tuple[float, float]:
    parameters = spec.parameters.total or spec.parameters.language or 7_000_000_000
    return math.log10(parameters / 1e9), _year(spec.release_date) - 2025.0


def _year(date: str | None) -> float:
    """Year with its month as a fraction; without a date, the middle of the catalogue."""
    if not date or not date[:4].isdigit():
        return 2024.5
    month = int(date[5:7]) if len(date) >= 7 and date[5:7].isdigit() else 7
    return int(date[:4]) + (month - 1) / 12


def _tables(rows: Sequence[ModelScore]) -> dict[tuple[str, str], dict[str, ModelScore]]:
    """The best row of every model on every benchmark version, in a fixed order."""
    tables: dict[tuple[str, str], dict[str, ModelScore]] = defaultdict(dict)
    for row in rows:
        if row.measured_on != "this_model":
            continue
        table = tables[row.benchmark, row.version or ""]
        name = row.measured_model.lower()
        if name not in table or row.score > table[name].score:
            table[name] = row
    return {key: tables[key] for key in sorted(tables) if len(tables[key]) >= MIN_MODELS}


def _standard_scores(table: Mapping[str, ModelScore]) -> dict[str, float]:
    scores = [row.score for row in table.values()]
    mean, spread = fmean(scores), pstdev(scores)
    if spread == 0:
        return dict.fromkeys(table, 0.0)
    return {name: (row.score - mean) / spread for name, row in table.items()}


def _fit(
    standard: Mapping[tuple[str, str], Mapping[str, float]],
    features: Mapping[str, tuple[float, float]],
) -> _Line:
    """Least squares on the benchmark with most of our models; too few give a gentle default."""
    best: list[tuple[tuple[float, float], float]] = []
    for scores in standard.values():
        pairs = [(features[name], score) for name, score in scores.items() if name in features]
        if len(pairs) > len(best):
            best = pairs
    if len(best) < 2 * MIN_MODELS:
        return _Line(0.0, 0.8, 0.5)
    return _solve(best)


def _solve(pairs: Sequence[tuple[tuple[float, float], float]]) -> _Line:
    """Normal equations of three unknowns, by Cramer's rule, ridge 1 against few points."""
    rows = [((1.0, x, y), z) for (x, y), z in pairs]
    a = [[sum(r[i] * r[j] for r, _ in rows) for j in range(3)] for i in range(3)]
    b = [sum(r[i] * z for r, z in rows) for i in range(3)]
    for i in (1, 2):
        a[i][i] += 1.0
    whole = _determinant(a)
    if abs(whole) < 1e-9:
        return _Line(0.0, 0.8, 0.5)
    solved = [
        _determinant([[b[r] if c == i else a[r][c] for c in range(3)] for r in range(3)]) / whole
        for i in range(3)
    ]
    return _Line(solved[0], max(0.0, solved[1]), max(0.0, solved[2]))


def _determinant(m: list[list[float]]) -> float:
    return (
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
        - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
        + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    )


def percent(values: Mapping[str, float]) -> dict[str, float]:
    """Standard scores as 0-100: the share of a normal population below each value."""
    if not values:
        return {}
    mean, spread = fmean(values.values()), pstdev(values.values()) or 1.0
    return {
        name: round(50 * (1 + math.erf((value - mean) / spread / math.sqrt(2))), 1)
        for name, value in values.items()
    }
