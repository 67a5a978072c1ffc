"""GGUF sizes computed without the file, against llama.cpp's own table and published files.

    python benchmarks/gguf_sizes.py

Bars: the 24 rows of llama.cpp's table to four decimals; published files within 1.5 % on average,
0.1 % once one file of the same model and publisher is known.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from _cases import run_at_once
from _tables import table, verdict

from whichweights.planning.formats import HeaderEstimate, header_from_known_file
from whichweights.planning.formats._reference_model import reference_plan
from whichweights.planning.gguf_files import GgufFile, gguf_file
from whichweights_plugins.knowledge.models import CatalogueProvider
from whichweights_schemas.models import ModelRef, ModelSpec
from whichweights_schemas.providers import NoSettings, ProviderContext

FILES = Path(__file__).parent / "data" / "gguf_files.jsonl"
LINES = FILES.read_text(encoding="utf-8").splitlines()
MEAN_BAR, KNOWN_BAR = 1.5, 0.1

PRINTED = {
    "IQ1_S": 2.0042,
    "IQ1_M": 2.1460,
    "IQ2_XXS": 2.3824,
    "IQ2_XS": 2.5882,
    "IQ2_S": 2.7403,
    "IQ2_M": 2.9294,
    "IQ3_XXS": 3.2548,
    "IQ3_XS": 3.4977,
    "IQ3_S": 3.6606,
    "IQ3_M": 3.7628,
    "IQ4_XS": 4.4597,
    "IQ4_NL": 4.6818,
    "Q2_K_S": 2.9697,
    "Q2_K": 3.1593,
    "Q3_K_S": 3.6429,
    "Q3_K_M": 3.9960,
    "Q3_K_L": 4.2979,
    "Q4_K_S": 4.6672,
    "Q4_K_M": 4.8944,
    "Q5_K_S": 5.5704,
    "Q5_K_M": 5.7036,
    "Q6_K": 6.5633,
    "Q8_0": 8.5008,
    "F16": 16.0005,
}
"""Bits per weight of Llama-3.1-8B, llama.cpp tools/quantize/README.md (read 2026-11). Q3_K_M stands
in older copies of that table only."""

PLAIN = frozenset({"IQ4_XS", "IQ4_NL"})
"""Printed without an imatrix; the other low-bit rows with one."""


@dataclass(frozen=True)
class Measured:
    """A published file and the plan of it; None where the catalogue has no such model."""

    row: dict[str, Any]
    planned: GgufFile | None

    @property
    def error(self) -> float:
        """Planned against published, in percent."""
        assert self.planned is not None
        return _percent(self.planned.bytes, self.row["file_bytes"])


def _percent(planned: int, measured: int) -> float:
    return 100 * (planned / measured - 1)


async def measured(lines: Iterable[str]) -> list[Measured]:
    """Every published file with its plan."""
    catalogue = CatalogueProvider(ProviderContext("catalogue", NoSettings(), run_at_once))
    found: list[Measured] = []
    for line in lines:
        row = json.loads(line)
        spec: ModelSpec | None = None
        if row["base"] is not None:
            spec = await catalogue.spec(ModelRef(id=row["base"], provider="catalogue"))
        if spec is not None and "vocab_size" in row:
            spec = spec.model_copy(update={"vocab_size": row["vocab_size"]})
        imatrix = row.get("imatrix", False)
        planned = None if spec is None else gguf_file(spec, row["format"], imatrix=imatrix)
        found.append(Measured(row, planned))
    return found


def after_one_known(files: list[Measured]) -> list[tuple[str, float]]:
    """Name and error in percent of each file once another one of its series has told the header.

    A series is one publisher's files of one model; files whose tensors already are more than the
    file (encoders, whose converter drops the pooler) tell no header.
    """
    errors: list[tuple[str, float]] = []
    for one in files:
        header = next((found for other in files if (found := _header(one, other))), None)
        if header is not None and one.planned is not None:
            size = one.planned.mixture.total_bytes + header.bytes
            errors.append((one.row["file"], _percent(size, one.row["file_bytes"])))
    return errors


def _header(one: Measured, other: Measured) -> HeaderEstimate | None:
    keys = ("publisher", "base", "vocab_size")
    if other is one or any(one.row.get(key) != other.row.get(key) for key in keys):
        return None
    if _series(one) != _series(other) or other.planned is None:
        return None
    tensors, size = other.planned.mixture.total_bytes, other.row["file_bytes"]
    return None if tensors > size else header_from_known_file(size, tensors)


def _series(file: Measured) -> str:
    return file.row["file"].removesuffix(".gguf").rpartition(".")[0]


def mean_error(values: list[float]) -> float:
    """Mean of the absolute errors."""
    return sum(map(abs, values)) / len(values)


def _published_table() -> str:
    rows: list[list[object]] = []
    for name, bits in PRINTED.items():
        plan = reference_plan(name, imatrix=name not in PLAIN)
        off = abs(round(plan.bits_per_weight, 4) - bits)
        rows.append([name, f"{bits:.4f}", f"{plan.bits_per_weight:.4f}", verdict(off, 5e-5)])
    head = ("type", "llama.cpp, bits", "computed", "equal")
    return table("Llama-3.1-8B, llama.cpp's table", head, rows)


async def _main() -> None:
    print(_published_table())
    files = await measured(LINES)
    planned = [file for file in files if file.planned is not None]
    rows = [
        [file.row["file"], file.row["publisher"], file.row["file_bytes"], f"{file.error:+.3f}"]
        for file in sorted(planned, key=lambda file: -abs(file.error))
    ]
    print(table("Published files, no file known", ("file", "by", "bytes", "error %"), rows))
    known = after_one_known(planned)
    lines = [[name, f"{error:+.5f}"] for name, error in known]
    print(table("After one file of the series", ("file", "error %"), lines))
    first, second = mean_error([file.error for file in planned]), mean_error([e for _, e in known])
    summary = [
        ["no file known", len(planned), f"{first:.3f}", MEAN_BAR, verdict(first, MEAN_BAR)],
        ["one file known", len(known), f"{second:.5f}", KNOWN_BAR, verdict(second, KNOWN_BAR)],
    ]
    print(table("Summary", ("case", "files", "mean error %", "bar", "kept"), summary))
    print(f"\n{len(files) - len(planned)} files of models the catalogue does not have")


if __name__ == "__main__":
    anyio.run(_main)
