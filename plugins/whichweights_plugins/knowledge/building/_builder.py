"""What a module of this package hands the rebuild command."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from whichweights_plugins.knowledge._tables import Row

DATA = Path(__file__).resolve().parent.parent / "data"
MAX_BYTES = 4 * 1024 * 1024
"""All tables together, as installed."""


@dataclass(frozen=True)
class Built:
    """The rows of one table, and what the builder wants said about them."""

    rows: list[Row]
    report: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class TableBuilder:
    """One table: `build` makes its rows from the folder of raw facts, `check` lists what is wrong
    with shipped rows (one sentence each, empty when all is well)."""

    name: str
    build: Callable[[Path], Built]
    check: Callable[[Sequence[Row]], list[str]]


def all_builders() -> list[TableBuilder]:
    """The builders of every module of this package, by table name."""
    package = __package__ or ""
    found: list[TableBuilder] = []
    for module in iter_modules([str(Path(__file__).parent)]):
        if not module.name.startswith("_"):
            found.extend(getattr(import_module(f"{package}.{module.name}"), "BUILDERS", ()))
    return sorted(found, key=lambda builder: builder.name)


def read_jsonl(path: Path) -> list[Row]:
    """The objects of a `.jsonl` or `.jsonl.gz` file. Raises OSError, ValueError."""
    if path.suffix == ".gz":
        text = gzip.decompress(path.read_bytes()).decode("utf-8")
    else:
        text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def write_rows(name: str, rows: Sequence[Row], data: Path = DATA) -> int:
    """Writes a table, the same bytes for the same rows; returns its size in bytes."""
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows]
    packed = gzip.compress(("\n".join(lines) + "\n").encode("utf-8"), compresslevel=9, mtime=0)
    data.mkdir(parents=True, exist_ok=True)
    (data / f"{name}.jsonl.gz").write_bytes(packed)
    return len(packed)
