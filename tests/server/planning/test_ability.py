"""The ability scale: its laws, and its lines against the shipped tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whichweights.planning.ability import LINES, MIN_MODELS, Ability, percent, rate
from whichweights_plugins.knowledge._tables import load_rows
from whichweights_schemas.evidence import Evidence
from whichweights_schemas.languages import ModelScore
from whichweights_schemas.models import ModelSpec, ParameterCounts

COUNT = 14
BENCHMARKS = ("One test", "Two test", "Two test: part", "Three overall", "Three half")


def model(name: str, billions: float, date: str | None = "2025-03") -> ModelSpec:
    return ModelSpec(
        id=name,
        display_name=name,
        release_date=date,
        parameters=ParameterCounts(total=round(billions * 1e9)),
    )


def row(name: str, score: float, benchmark: str = "One test", own: bool = False) -> ModelScore:
    return ModelScore(
        skill="chat",
        benchmark=benchmark,
        score=score,
        self_reported=own,
        measured_model=name,
        evidence=Evidence(fields=("scores",), basis="published", source="test", date="2025-06"),
    )


MODELS = tuple(model(f"maker/m{n}", 0.5 * 1.6**n, f"2024-{n % 12 + 1:02}") for n in range(COUNT))
scores = st.lists(
    st.tuples(
        st.integers(0, COUNT - 1),
        st.sampled_from(BENCHMARKS),
        st.integers(0, 100),
        st.booleans(),
    ),
    min_size=1,
    max_size=90,
)


def rows_of(drawn: Sequence[tuple[int, str, int, bool]]) -> list[ModelScore]:
    return [row(f"maker/m{n}", score, name, own) for n, name, score, own in drawn]


@given(scores, st.data())
def test_raising_a_score_never_lowers_its_model_nor_raises_another(
    drawn: list[tuple[int, str, int, bool]], data: st.DataObject
) -> None:
    rows = rows_of(drawn)
    place = data.draw(st.integers(0, len(rows) - 1))
    more = data.draw(st.integers(1, 200))
    raised = list(rows)
    raised[place] = rows[place].model_copy(update={"score": rows[place].score + more})
    before, after = rate(MODELS, rows, "chat"), rate(MODELS, raised, "chat")
    for name, ability in after.items():
        if name == rows[place].measured_model:
            assert ability.value >= before[name].value - 1e-9
        else:
            assert ability.value <= before[name].value + 1e-9


@given(scores, st.randoms())
def test_the_order_of_models_and_rows_changes_nothing(
    drawn: list[tuple[int, str, int, bool]], random: Any
) -> None:
    rows, models = rows_of(drawn), list(MODELS)
    before = rate(models, rows, "chat")
    random.shuffle(rows)
    random.shuffle(models)
    after = rate(models, rows, "chat")
    for name, ability in before.items():
        assert after[name].value == pytest.approx(ability.value)
        assert after[name].benchmarks == ability.benchmarks
        assert after[name].row == ability.row


def ranked(values: Sequence[float], **changes: Any) -> dict[str, Ability]:
    """The abilities when every model has one row."""
    rows = [row(f"maker/m{n}", value, **changes) for n, value in enumerate(values)]
    return rate(MODELS, rows, "chat")


def test_a_benchmark_of_few_models_says_nothing() -> None:
    few = ranked(range(MIN_MODELS - 1))
    assert not any(ability.measured for ability in few.values())
    enough = ranked(range(MIN_MODELS))
    assert sum(ability.measured for ability in enough.values()) == MIN_MODELS


def test_of_two_equal_models_the_better_measured_is_abler() -> None:
    twins = [model(f"maker/m{n}", 8) for n in range(COUNT)]
    rated = rate(twins, [row(f"maker/m{n}", n) for n in range(COUNT)], "chat")
    values = [rated[f"maker/m{n}"].value for n in range(COUNT)]
    assert values == sorted(values)


def test_what_only_the_maker_reports_moves_a_model_less() -> None:
    def gap(own: bool) -> float:
        rated = ranked(range(COUNT, 0, -1), own=own)
        return rated["maker/m13"].value - rated["maker/m0"].value

    independent, reported = gap(False), gap(True)
    unmeasured = rate(MODELS, [], "chat")
    prior = unmeasured["maker/m13"].value - unmeasured["maker/m0"].value
    assert independent < reported < prior


def test_parts_of_a_benchmark_are_not_counted_beside_the_whole() -> None:
    rows = [row(f"maker/m{n}", n, "BFCL overall") for n in range(COUNT)]
    parts = [row(f"maker/m{n}", -n, "BFCL memory") for n in range(COUNT)]
    assert rate(MODELS, rows, "agentic") == rate(MODELS, [*rows, *parts], "agentic")


def test_a_model_nobody_measured_stands_below_what_its_size_lets_expect() -> None:
    spec = model("maker/new", 30, "2025-06")
    line = LINES["chat"]
    expected = line.intercept + line.size * math.log10(30) + line.year * 5 / 12
    rated = rate([spec], [], "chat")["maker/new"]
    assert rated.value == pytest.approx(expected - 2 * line.residual)
    assert not rated.measured
    assert rated.row is None


def test_progress_after_the_newest_measured_model_is_not_extrapolated() -> None:
    newest, next_year = model("a/a", 8, "2026-01"), model("a/b", 8, "2027-06")
    rated = rate([newest, next_year], [], "chat")
    assert rated["a/a"].value == rated["a/b"].value


def test_rows_of_a_relative_are_not_taken_for_the_model() -> None:
    rows = [
        row(f"maker/m{n}", n).model_copy(update={"measured_on": "base_model"}) for n in range(COUNT)
    ]
    assert not any(ability.measured for ability in rate(MODELS, rows, "chat").values())


@given(st.floats(-8, 8), st.floats(0, 8))
def test_percent_is_a_rising_share(value: float, more: float) -> None:
    assert 0 <= percent(value) <= percent(value + more) <= 100
    assert percent(0) == 50


def solved(points: Sequence[tuple[float, float, float]]) -> tuple[list[float], float]:
    """Least squares of z on 1, x, y by Gaussian elimination; and the residual deviation."""
    basis = [(1.0, x, y) for x, y, _ in points]
    matrix = [[sum(r[i] * r[j] for r in basis) for j in range(3)] for i in range(3)]
    for i in range(3):
        matrix[i].append(sum(r[i] * p[2] for r, p in zip(basis, points, strict=True)))
    for i in range(3):
        for j in range(3):
            if i != j:
                factor = matrix[j][i] / matrix[i][i]
                matrix[j] = [a - factor * b for a, b in zip(matrix[j], matrix[i], strict=True)]
    found = [matrix[i][3] / matrix[i][i] for i in range(3)]
    residuals = [
        z - sum(c * v for c, v in zip(found, r, strict=True))
        for r, (_, _, z) in zip(basis, points, strict=True)
    ]
    return found, math.sqrt(fmean(r * r for r in residuals))


@pytest.mark.parametrize("skill", sorted(LINES))
def test_a_line_is_what_the_shipped_tables_give(skill: str) -> None:
    line = LINES[skill]
    version = "v4" if skill == "agentic" else None
    best: dict[str, float] = {}
    for entry in load_rows("scores"):
        for packed in entry["scores"]:
            if packed[2] == line.benchmark and version in (None, packed[3]):
                name = entry["model"].lower()
                best[name] = max(packed[6], best.get(name, -math.inf))
    points: list[tuple[float, float, float]] = []
    for entry in load_rows("models"):
        name, date = entry["id"].lower(), entry.get("release_date")
        if name in best and date:
            below = sum(other < best[name] for other in best.values())
            equal = sum(other == best[name] for other in best.values())
            share = (below + equal / 2) / len(best)
            size = math.log10(entry["parameters"]["total"] / 1e9)
            year = int(date[:4]) - 2025 + (int(date[5:7]) - 1) / 12
            points.append((size, year, NormalDist().inv_cdf(share)))
    found, residual = solved(points)
    assert len(points) == line.models
    assert found == pytest.approx([line.intercept, line.size, line.year], abs=0.02)
    assert residual == pytest.approx(line.residual, abs=0.01)
    assert max(year for _, year, _ in points) == pytest.approx(line.latest, abs=0.01)
