"""Reads the embedded tables: `data/<name>.jsonl.gz`, one JSON object a line, once, at first use."""

from __future__ import annotations

import gzip
import json
import threading
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

Row = dict[str, Any]

_SUFFIX = ".jsonl.gz"
_reading = threading.Lock()


def load_rows(name: str) -> list[Row]:
    """All rows of a table, kept for the life of the process; do not change them.

    Raises FileNotFoundError when there is no such table.
    """
    with _reading:  # two threads at first use would otherwise both unpack the table
        return _read(name)


def table_bytes(name: str) -> int:
    """Installed (compressed) size of a table in bytes. Raises FileNotFoundError."""
    return len(_packed(name))


def table_names() -> tuple[str, ...]:
    """Names of the tables that are installed."""
    data = _folder()
    names = (entry.name for entry in data.iterdir() if entry.name.endswith(_SUFFIX))
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in names))


@cache
def _read(name: str) -> list[Row]:
    text = gzip.decompress(_packed(name)).decode("utf-8")
    return json.loads(f"[{','.join(text.splitlines())}]")


def _packed(name: str) -> bytes:
    return _folder().joinpath(name + _SUFFIX).read_bytes()


def _folder() -> Traversable:
    return files("whichweights_plugins.knowledge").joinpath("data")
