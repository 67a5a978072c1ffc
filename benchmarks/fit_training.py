"""Fits the activation factors of fine-tuning and checks them on model families left out.

    python benchmarks/fit_training.py [--rows]

Prints the factors and bands to keep in `planning/training/bands.py`, and the errors per source.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import anyio
from _finetune_cases import MIB, Row, finetune_rows
from _tables import median, percentile, table

from whichweights.planning.training import TrainingPlanner
from whichweights.planning.training.bands import FACTORS, Factors

PRIOR = Factors(
    saved=1.0, checkpoints=1.0, layer=1.5, logits=16.0, chunked_logits=2.0, scores=16.0,
    workspace=0.6,
)  # fmt: skip
"""What the counting rule and the public formula say; the fit moves away only for evidence."""

PRIOR_WEIGHT = 0.01
ROUNDS = 200
NAMES = tuple(field.name for field in fields(Factors))


@dataclass(frozen=True)
class Judged:
    """A run with what a fit that never saw its family says of it (MiB)."""

    row: Row
    value: float
    low: float
    high: float
    states: float

    @property
    def error(self) -> float:
        return 100 * (self.value / self.row.measured - 1)

    @property
    def ratio(self) -> float:
        """Measured over planned activations."""
        return (self.row.measured - self.states) / max(1.0, self.value - self.states)


def fits_well(row: Row) -> bool:
    """Runs the factors are fitted on: real lengths, and a sum that is linear in the factors."""
    stepwise = row.workload == "full_finetune" and not row.per_device
    return row.known_length and not stepwise


def planned_with(row: Row, factors: Factors) -> float:
    return row.planned(factors)[0]


def _columns(row: Row) -> tuple[float, list[float]]:
    """What does not depend on the factors, and what each factor is multiplied with (MiB)."""
    nothing = Factors(*(0.0 for _ in NAMES))
    fixed = planned_with(row, nothing)
    planner = TrainingPlanner(row.spec, row.deployment, nothing)
    devices = max(1, len(planner.devices))
    terms = planner.terms()
    found: list[float] = []
    for name in NAMES:
        copies = 1 if row.per_device or devices == 1 else devices
        if name == "workspace":
            found.append(1024.0 * copies)
            continue
        size = getattr(terms, name) / MIB
        found.append(size * copies if name in ("layer", "scores") else size)
    return fixed, found


def fit(rows: Sequence[Row]) -> Factors:
    """Least squares of relative errors, every source with the same weight, no factor below 0."""
    prior = [getattr(PRIOR, name) for name in NAMES]
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.source] = counts.get(row.source, 0) + 1
    data = [
        (row.measured, *_columns(row), 1.0 / (counts[row.source] * len(counts))) for row in rows
    ]
    values = list(prior)
    for _ in range(ROUNDS):
        for index, start in enumerate(prior):
            top, bottom = PRIOR_WEIGHT / start, PRIOR_WEIGHT / start**2
            for measured, fixed, columns, weight in data:
                others = fixed + sum(
                    value * column
                    for at, (value, column) in enumerate(zip(values, columns, strict=True))
                    if at != index
                )
                slope = columns[index] / measured
                top += weight * slope * (1 - others / measured)
                bottom += weight * slope * slope
            values[index] = max(0.0, top / bottom)
    return Factors(*values)


def left_out(rows: Sequence[Row]) -> list[Judged]:
    """Every run, planned with factors fitted without its family."""
    found: list[Judged] = []
    for family in sorted({row.family for row in rows}):
        rest = [row for row in rows if row.family != family and fits_well(row)]
        factors = fit(rest)
        found.extend(judge(row, factors) for row in rows if row.family == family)
    return found


def judge(row: Row, factors: Factors) -> Judged:
    value, low, high = row.planned(factors)
    states = planned_with(row, replace(factors, **dict.fromkeys(NAMES, 0.0)))
    return Judged(row, value, low, high, states)


def _line(name: str, judged: Sequence[Judged]) -> list[str]:
    errors = [one.error for one in judged]
    inside = [one.low <= one.row.measured <= one.high for one in judged]
    sizes = [abs(error) for error in errors]
    return [
        name,
        str(len(judged)),
        f"{sum(sizes) / len(sizes):.1f}",
        f"{median(errors):+.1f}",
        f"{100 * sum(size <= 10 for size in sizes) / len(sizes):.0f}",
        f"{100 * sum(size <= 20 for size in sizes) / len(sizes):.0f}",
        f"{100 * sum(inside) / len(inside):.0f}",
    ]


_HEAD = ("workload, lengths, source", "n", "MAPE %", "median %", "<= 10 %", "<= 20 %", "in band")


def report(title: str, judged: Sequence[Judged]) -> str:
    """One line a workload, kind of length and source; never one grand mean."""
    keys = sorted(
        {(one.row.workload, one.row.known_length, one.row.source) for one in judged},
        key=lambda key: (key[0], not key[1], key[2]),
    )
    lines = [
        _line(
            f"{workload}, {'real' if known else 'maximum'} lengths, {source}",
            [
                one
                for one in judged
                if (one.row.workload, one.row.known_length, one.row.source)
                == (workload, known, source)
            ],
        )
        for workload, known, source in keys
    ]
    lines.extend(
        _line(f"{workload}, all", [one for one in judged if one.row.workload == workload])
        for workload in ("lora", "qlora", "full_finetune")
    )
    return table(title, _HEAD, lines)


def _reach(one: Judged) -> float:
    """How far into its half of the band the measured value lies: 1 is the edge."""
    gap = one.row.measured - one.value
    half = one.high - one.value if gap > 0 else one.low - one.value
    return gap / half if half else (0.0 if gap == 0 else float("inf"))


def _nested(judged: Sequence[Judged]) -> str:
    """Coverage on a family of bands whose width was set to hold 95 % of all other families."""
    lines: list[list[str]] = []
    for workload in ("lora", "qlora", "full_finetune"):
        runs = [one for one in judged if one.row.workload == workload]
        inside, widths = 0, list[float]()
        for family in sorted({one.row.family for one in runs}):
            rest = [_reach(one) for one in runs if one.row.family != family]
            widths.append(percentile(rest, 0.95))
            own = [_reach(one) for one in runs if one.row.family == family]
            inside += sum(reach <= widths[-1] for reach in own)
        share = f"{100 * inside / len(runs):.0f}"
        whole = percentile([_reach(one) for one in runs], 0.95)
        shown = [f"{width:.2f}" for width in (min(widths), max(widths), whole)]
        lines.append([workload, str(len(runs)), share, *shown])
    head = ("workload", "n", "in band %", "smallest width", "largest width", "of all")
    return table("width of the band from the other families (1 = the kept one)", head, lines)


def _bands(judged: Sequence[Judged]) -> str:
    lines: list[str] = []
    for workload in ("lora", "qlora", "full_finetune"):
        ratios = [o.ratio for o in judged if o.row.workload == workload and o.row.known_length]
        low, high = percentile(ratios, 0.05), percentile(ratios, 0.95)
        lines.append(f"{workload}: {low:.2f} to {high:.2f} ({len(ratios)} runs)")
    return "\n".join(lines)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", action="store_true", help="print every run")
    arguments = parser.parse_args()
    rows, left = await finetune_rows()
    used = [row for row in rows if fits_well(row)]
    factors = fit(used)
    print(f"{len(rows)} runs planned, {len(used)} fitted on; left out:")
    for reason, count in left.most_common():
        print(f"  {count:3} {reason}")
    print("\nfactors on all families:")
    for name in NAMES:
        print(f"  {name} = {getattr(factors, name):.3g} (kept: {getattr(FACTORS, name):.3g})")
    judged = left_out(rows)
    print("\nmeasured / planned activations, families left out, 5th to 95th percentile:")
    print(_bands(judged))
    print(report("every family planned with factors fitted without it", judged))
    print(_nested(judged))
    print(report("the factors that are kept", [judge(row, FACTORS) for row in rows]))
    if arguments.rows:
        for one in judged:
            row = one.row
            print(
                f"{row.workload:13} {row.case.row['id']} {row.case.row['model'][-28:]:28} "
                f"{row.deployment.context_tokens}x{row.deployment.concurrent_sequences} "
                f"{row.measured:8.0f} {one.value:8.0f} [{one.low:.0f}, {one.high:.0f}] "
                f"{one.error:+6.1f} % states {one.states:.0f}"
            )


if __name__ == "__main__":
    anyio.run(main)
