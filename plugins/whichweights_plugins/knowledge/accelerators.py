"""What a device of a name is, from the embedded table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from whichweights_plugins.knowledge._accelerator_names import (
    DeviceName,
    asked_words,
    plain,
    stated_gb,
)
from whichweights_plugins.knowledge._tables import Row, load_rows
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.evidence import Basis, Evidence, Unknown
from whichweights_schemas.providers import AcceleratorCatalogue, NoSettings
from whichweights_schemas.requests import LookupAccelerator

TABLE = "accelerators"
GIB = 1024**3

_OWN_FIELDS = frozenset(
    {"source", "date", "bandwidth_source", "tflops_source", "total_source", "modified_gb"}
)
_HIDDEN_FROM_ENGINES = round(0.4 * GIB)
_SIZE_TOLERANCE = 0.08
"""A driver reports up to 7 % less than the marketing size (B300: 268.6 of 288)."""


@dataclass(frozen=True)
class _Index:
    rows: list[Row]
    names: list[DeviceName]
    plain_names: list[str]
    vocabulary: frozenset[str]


def _load() -> _Index:
    rows = load_rows(TABLE)
    names = [DeviceName.of(row["name"], row.get("aliases", ())) for row in rows]
    plain_names = [plain(row["name"]) for row in rows]
    return _Index(rows, names, plain_names, frozenset[str]().union(*(name.words for name in names)))


class KnowledgeAccelerators(AcceleratorCatalogue[NoSettings]):
    """Devices by name. Of several forms of one device SXM comes first, then a workstation card,
    PCIe, server, NVL; within a form the size that was sold first."""

    _index: _Index | None = None

    async def lookup(self, request: LookupAccelerator) -> Sequence[Accelerator]:
        index = await self._loaded()
        gb = request.memory_gb
        rows = _named(index, plain(request.name))
        if not rows:
            rows = _meant(index, request.name)
            gb = stated_gb(request.name) if gb is None else gb
        fitting = [row for row in rows if _has_memory(row, gb)]
        also = [row["name"] for row in fitting]
        return [_accelerator(row, gb, also) for row in fitting]

    async def names(self) -> Sequence[str]:
        index = await self._loaded()
        return [row["name"] for row in index.rows]

    async def status(self) -> dict[str, str]:
        index = await self._loaded()
        return {"devices": str(len(index.rows)), "date": max(row["date"] for row in index.rows)}

    async def warm(self) -> None:
        await self._loaded()

    async def _loaded(self) -> _Index:
        if self._index is None:
            self._index = await self.run_blocking(_load)
        return self._index


def _named(index: _Index, name: str) -> list[Row]:
    """Devices of exactly this name; else those whose driver reports exactly it."""
    named = zip(index.rows, index.plain_names, strict=True)
    own = [row for row, known in named if known == name]
    return own or [
        row for row, known in zip(index.rows, index.names, strict=True) if name in known.exact
    ]


def _meant(index: _Index, name: str) -> list[Row]:
    asked = asked_words(name, index.vocabulary)
    found = [(known.form, place) for place, known in enumerate(index.names) if known.fits(asked)]
    return [index.rows[place] for _, place in sorted(found)]


def _has_memory(row: Row, gb: float | None) -> bool:
    if gb is None or "memory_options_gb" in row.get("unverified", ()):
        return True
    sizes = [row.get("marketing_gb"), row.get("modified_gb"), *row.get("memory_options_gb", ())]
    if "total_bytes" in row:
        sizes.append(row["total_bytes"] / GIB)
    return any(size and abs(gb - size) <= _SIZE_TOLERANCE * size for size in sizes)


def _accelerator(row: Row, gb: float | None, also: list[str]) -> Accelerator:
    facts = row | _memory(row, gb)
    evidence, free = _evidence(facts), _free_when_empty(facts)
    facts = {field: facts[field] for field in facts.keys() - _OWN_FIELDS}
    facts["free_bytes"] = free
    others = [name for name in also if name != row["name"]]
    if others:
        facts["notes"] = "; ".join(
            [*filter(None, [row.get("notes")]), f"the name also fits {', '.join(others)}"]
        )
    if facts.get("total_bytes") is None:
        options = ", ".join(f"{size:g}" for size in row["memory_options_gb"])
        reason = f"sold with {options} GB; name the size, as in '{row['name']} {options[:2]}GB'"
        facts["unknown"] = (Unknown(field="total_bytes", reason=reason),)
    return Accelerator(**facts, evidence=evidence)


def _free_when_empty(row: Row) -> int | None:
    """What an engine can take of a device nobody uses.

    CUDA shows 0.40 to 0.46 GiB less than the driver's total (H100, A10, RTX 3090, RTX 4090, T4:
    both figures public). Of a shared memory whose budget is not known three quarters count as free:
    the most that a Ryzen AI Max's firmware sets apart (96 of 128 GB, general knowledge).
    """
    total = row.get("total_bytes")
    if total is None or row["kind"] != "gpu":
        return total
    if row.get("unified_memory"):
        return total * 3 // 4 if row["total_basis"] == "assumed" else total
    seen_by_engine = row["total_source"] == "public vLLM logs"
    return total if row["vendor"] != "NVIDIA" or seen_by_engine else total - _HIDDEN_FROM_ENGINES


def _memory(row: Row, gb: float | None) -> dict[str, Any]:
    """Total and marketing size for the size asked for, where a name covers several."""
    options: list[float] = row.get("memory_options_gb", [])
    if row["kind"] == "apple":
        size = _nearest(options, gb) if gb else row.get("marketing_gb")
        return _apple_memory(size) if size else {}
    if gb is None or _near(row.get("marketing_gb"), gb):
        return {}
    if not options and "modified_gb" not in row:
        return {}
    size = _nearest([*options, *filter(None, [row.get("modified_gb")])], gb)
    note = "size as asked for, read as GiB"
    if row.get("modified_gb") == size:
        note += "; the maker sells this card with less, modified ones keep its name"
    return {
        "marketing_gb": size,
        "total_bytes": round(size * GIB),
        "total_basis": "assumed",
        "total_note": note,
        "total_source": "the size named in the question",
    }


def _apple_memory(size_gb: float) -> dict[str, Any]:
    """Metal's default budget for the GPU: about 2/3 of the memory up to 36 GB, 3/4 above.

    Secondary sources agree on it (recommendedMaxWorkingSetSize, 128 GB: 96); a setting moves it.
    """
    share, words = (2 / 3, "2/3") if size_gb <= 36 else (3 / 4, "3/4")
    return {
        "marketing_gb": size_gb,
        "total_bytes": round(size_gb * GIB * share),
        "total_basis": "assumed",
        "total_note": f"default GPU budget: about {words} of {size_gb:g} GB unified memory; "
        "sysctl iogpu.wired_limit_mb changes it",
        "total_source": "Metal recommendedMaxWorkingSetSize, by secondary sources",
    }


def _near(size: float | None, gb: float) -> bool:
    return size is not None and abs(gb - size) <= _SIZE_TOLERANCE * size


def _nearest(sizes: Sequence[float], gb: float) -> float:
    near = [size for size in sizes if _near(size, gb)]
    return min(near, key=lambda size: abs(size - gb)) if near else gb


def _evidence(row: Row) -> tuple[Evidence, ...]:
    said: list[tuple[str, str, Basis, str | None]] = [
        (field, row[key], "published", None)
        for field, key in (
            ("accelerator", "source"),
            ("memory_bandwidth_bytes_per_second", "bandwidth_source"),
            ("fp16_tflops", "tflops_source"),
        )
        if key in row
    ]
    if "total_source" in row:
        said.append(("total_bytes", row["total_source"], row["total_basis"], row["total_note"]))
    return tuple(
        Evidence(fields=(field,), source=source, basis=basis, note=note, date=row["date"])
        for field, source, basis, note in said
    )
