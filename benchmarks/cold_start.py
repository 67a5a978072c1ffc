"""Start of `whichweights serve` to its answer to `initialize`, beside a bare server of the SDK.

    python benchmarks/cold_start.py [--runs N]

The two take turns; medians count. Bars: 250 ms and 30 MiB more than the bare server.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field

from _servers import OURS, Host, bare_command
from _tables import load, median, table, verdict

TIME_BAR_MS = 250.0
MEMORY_BAR_MIB = 30.0


@dataclass
class Runs:
    milliseconds: list[float] = field(default_factory=list[float])
    mebibytes: list[float] = field(default_factory=list[float])


def measure(command: list[str], runs: Runs) -> None:
    host = Host(command)
    try:
        runs.milliseconds.append(1000 * host.initialize())
        resident = host.resident_mib()
        if resident is not None:
            runs.mebibytes.append(resident)
    finally:
        host.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    bare, ours = Runs(), Runs()
    with bare_command() as command:
        measure(command, Runs())  # the first run compiles what nobody compiled yet
        measure(OURS, Runs())
        for _ in range(options.runs):
            measure(command, bare)
            measure(OURS, ours)
    rows = [_row("start to initialize, ms", bare.milliseconds, ours.milliseconds, TIME_BAR_MS)]
    if bare.mebibytes:
        rows.append(_row("resident when idle, MiB", bare.mebibytes, ours.mebibytes, MEMORY_BAR_MIB))
    head = ("median of " + str(options.runs), "bare", "whichweights", "more", "bar", "kept")
    print(table("Cold start", (*head, "range of ours"), rows))
    print(f"\n{load()}")


def _row(name: str, bare: list[float], ours: list[float], bar: float) -> list[object]:
    more = median(ours) - median(bare)
    spread = f"{min(ours):.0f} to {max(ours):.0f}"
    return [name, median(bare), median(ours), more, f"<= {bar:.0f}", verdict(more, bar), spread]


if __name__ == "__main__":
    main()
