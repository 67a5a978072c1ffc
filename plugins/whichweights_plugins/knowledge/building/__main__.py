"""`python -m whichweights_plugins.knowledge.building --facts DIR | --check`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from whichweights_plugins.knowledge._tables import load_rows, table_bytes, table_names
from whichweights_plugins.knowledge.building._builder import MAX_BYTES, all_builders, write_rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m whichweights_plugins.knowledge.building",
        description="Rebuild the embedded tables from raw facts, or check the shipped ones.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--facts", type=Path, help="folder of the raw facts: rebuild from it")
    what.add_argument("--check", action="store_true", help="check the shipped tables, no raw facts")
    parser.add_argument("--only", action="append", metavar="TABLE", help="this table (repeatable)")
    options = parser.parse_args(arguments)
    if options.facts is not None:
        return _rebuild(options.facts, options.only)
    return _check(options.only)


def _rebuild(facts: Path, only: list[str] | None) -> int:
    for builder in all_builders():
        if only and builder.name not in only:
            continue
        built = builder.build(facts)
        problems = builder.check(built.rows)
        for line in (*built.report, *problems):
            _say(f"{builder.name}: {line}")
        if problems:
            _say(f"{builder.name}: not written")
            return 1
        size = write_rows(builder.name, built.rows)
        _say(f"{builder.name}: {len(built.rows)} rows, {size / 1024:.1f} KiB")
    return 0


def _check(only: list[str] | None) -> int:
    builders = {builder.name: builder for builder in all_builders()}
    strays = [name for name in table_names() if name not in builders]
    problems = [f"{name}: no builder makes this table" for name in strays]
    for name, builder in builders.items():
        if only and name not in only:
            continue
        rows = load_rows(name)
        found = [f"{name}: {line}" for line in builder.check(rows)]
        problems += found
        _say(f"{name}: {len(rows)} rows, {table_bytes(name) / 1024:.1f} KiB, {len(found)} problems")
    total = sum(table_bytes(name) for name in table_names())
    _say(f"all tables: {total / 1024:.1f} KiB of at most {MAX_BYTES / 1024:.0f}")
    if total > MAX_BYTES:
        problems.append("the tables are larger than allowed")
    for line in problems:
        _say(line)
    return 1 if problems else 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
