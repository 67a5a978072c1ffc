"""Raw device facts → the table of accelerators, in fields of the contract's `Accelerator`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from whichweights_plugins.knowledge._tables import Row
from whichweights_plugins.knowledge.building._builder import Built, TableBuilder, read_jsonl
from whichweights_plugins.knowledge.building._provenance import (
    COLLECTED,
    repeated,
    without_provenance,
)

GIB = 1024**3
MIB = 1024**2

_VISIBLE_GIB: dict[str, tuple[float, str]] = {
    "H100 PCIe 80GB": (79.19, "seen by CUDA in public engine logs; the driver says 79.65"),
    "H100 SXM5 80GB": (79.19, "seen by CUDA in public engine logs; the driver says 79.65"),
    "A10": (22.07, "seen by CUDA in public engine logs; the driver says 22.49"),
    "Tesla T4": (14.56, "seen by CUDA in public engine logs: 14.56 to 14.75; the driver says 15.0"),
    "GeForce RTX 3090": (23.58, "seen by CUDA in public engine logs; the driver says 24.0"),
    "GeForce RTX 4090": (23.5, "seen by CUDA in public engine logs; the driver says 23.99"),
}
"""GiB that engines report as the device's total. Read from public vLLM logs up to 2026-11."""

_MEASURED_UNIFIED = {"DGX Spark / GB10": (127_600_748 * 1024, "MemTotal seen on such a machine")}

_ECC_CARDS = frozenset({"A2", "A16 (one of four GPUs)", "A40", "L20"})
"""GDDR6 data-centre cards without a driver reading. ECC is on and keeps 1/16 of the memory, as the
readings of T4 (15,360 MiB), A10, L4 (24 GB: 23,034) and L40S (48 GB: 46,068) show."""

_NICKNAMES: dict[str, tuple[str, ...]] = {
    "DGX Spark / GB10": ("NVIDIA DGX Spark", "GB10 Grace Blackwell"),
    "Ryzen AI Max+ 395 (Radeon 8060S)": ("Strix Halo", "AI Max 395"),
    "GH200 96GB": ("Grace Hopper",),
    "Jetson Thor T5000": ("Jetson Thor",),
    "GB200 (one GPU)": ("GB200",),
    "GB300 (one GPU)": ("GB300",),
}
"""Names in use that no source lists."""

_RENAMED = {
    "memory_bandwidth_gb_s": "memory_bandwidth_bytes_per_second",
    "memory_gb": "marketing_gb",
    "memory_total_mib": "total_bytes",
    "tdp_w": "tdp_watts",
    "fp16_dense_tensor_tflops": "fp16_tflops",
    "memory_options_gb": "memory_options_gb",
    "aliases": "aliases",
}
_COPIED = (
    "vendor",
    "architecture",
    "compute_capability",
    "gfx",
    "memory_type",
    "bf16",
    "fp8",
    "fp4",
    "int8",
    "nvlink",
    "unified_memory",
)
_KINDS = {"Apple": "apple", "Google": "tpu"}
_MODIFIED = re.compile(r"modified (\d+) GB cards exist")


def accelerator_row(raw: Row) -> Row:
    """One raw device in the contract's fields, plus `bandwidth_source`, `tflops_source`,
    `total_source` and `modified_gb` (a size after-market cards of this name have)."""
    name: str = raw["name"]
    row: Row = {"name": name, "kind": _KINDS.get(raw["vendor"], "gpu")}
    row |= {field: raw[field] for field in _COPIED if raw.get(field) is not None}
    aliases = [*raw.get("aliases", ()), *_NICKNAMES.get(name, ())]
    if aliases:
        row["aliases"] = aliases
    if "memory_gb" in raw:
        row["marketing_gb"] = raw["memory_gb"]
    if len(raw.get("memory_options_gb", ())) > 1:
        row["memory_options_gb"] = raw["memory_options_gb"]
    elif "memory_options_gb" in raw:
        row["marketing_gb"] = raw["memory_options_gb"][0]
    if "memory_bandwidth_gb_s" in raw:
        row["memory_bandwidth_bytes_per_second"] = round(raw["memory_bandwidth_gb_s"] * 1e9)
        row["bandwidth_source"] = raw["bandwidth_basis"]
    if "tdp_w" in raw:
        row["tdp_watts"] = raw["tdp_w"]
    row |= _tflops(raw)
    row |= _total(raw, row.get("marketing_gb"))
    if "notes" in raw:
        row["notes"] = raw["notes"]
        modified = _MODIFIED.search(raw["notes"])
        if modified:
            row["modified_gb"] = float(modified[1])
    unverified = _unverified(raw, row)
    if unverified:
        row["unverified"] = unverified
    row["source"] = "; ".join(raw["sources"])
    row["date"] = COLLECTED
    return row


def _tflops(raw: Row) -> dict[str, Any]:
    """Dense FP16 rate. Without tensor cores (Apple, AMD, Intel) the shader rate is that rate; the
    shader rate of an NVIDIA card is not (its tensor cores do the work), so it stays unknown."""
    if "fp16_dense_tensor_tflops" in raw:
        source = raw.get("fp16_tflops_basis", "vendor figure")
        return {"fp16_tflops": raw["fp16_dense_tensor_tflops"], "tflops_source": source}
    if raw["vendor"] in ("Apple", "AMD", "Intel") and "shader_fp16_tflops" in raw:
        source = raw.get("fp16_tflops_basis", "TechPowerUp (shader rate; no tensor cores)")
        return {"fp16_tflops": raw["shader_fp16_tflops"], "tflops_source": source}
    return {}


def _total(raw: Row, marketing_gb: float | None) -> dict[str, Any]:
    """What an engine sees when measured, else the driver's total, else the marketing size."""
    name: str = raw["name"]
    if name in _VISIBLE_GIB:
        gib, note = _VISIBLE_GIB[name]
        return _total_fields(round(gib * GIB), "published", note, "public vLLM logs")
    if name in _MEASURED_UNIFIED:
        total, note = _MEASURED_UNIFIED[name]
        return _total_fields(total, "published", note, "/proc/meminfo quoted in public reports")
    if "memory_total_mib" in raw:
        seen = raw["memory_total_mib_basis"] == "observed in public nvidia-smi output"
        note = "driver total; engines see about 0.4 GiB less"
        if not seen:
            note += "; taken from a card of the same memory"
        basis = "published" if seen else "assumed"
        source = f"nvidia-smi: {raw['memory_total_mib_basis']}"
        return _total_fields(raw["memory_total_mib"] * MIB, basis, note, source)
    if raw["vendor"] == "Apple" or marketing_gb is None:
        return {}  # depends on the memory bought: the provider computes it
    if name in _ECC_CARDS:
        note = "marketing size less the 1/16 that ECC keeps, as on T4, A10, L4 and L40S"
        return _total_fields(round(marketing_gb * GIB * 15 / 16), "assumed", note, "marketing size")
    if raw["unified_memory"]:
        note = "size of the shared memory; the system keeps part of it"
    else:
        note = "marketing size read as GiB; drivers of other cards report 93 to 100 % of it"
    return _total_fields(round(marketing_gb * GIB), "assumed", note, "marketing size")


def _total_fields(total: int, basis: str, note: str, source: str) -> dict[str, Any]:
    return {
        "total_bytes": total,
        "total_basis": basis,
        "total_note": note,
        "total_source": source,
    }


def _unverified(raw: Row, row: Row) -> list[str]:
    named = [_RENAMED[field] for field in raw.get("unverified", ()) if field in _RENAMED]
    if "unverified" in raw.get("bandwidth_basis", ""):
        named.append("memory_bandwidth_bytes_per_second")
    if "unverified" in raw.get("fp16_tflops_basis", "") and "fp16_tflops" in row:
        named.append("fp16_tflops")
    return sorted(set(named))


def build_accelerators(facts: Path) -> Built:
    """The table of devices, in the order of the raw facts (first released size first)."""
    rows = [accelerator_row(raw) for raw in read_jsonl(facts / "accelerators.jsonl")]
    measured = sum(row.get("total_basis") == "published" for row in rows)
    return Built(rows, [f"{measured} of {len(rows)} totals were seen on a device"])


def check_accelerators(rows: Sequence[Row]) -> list[str]:
    """What is wrong with the shipped table."""
    problems = without_provenance(rows) + repeated(rows, "name")
    for row in rows:
        size = row.get("marketing_gb")
        if size is None and "memory_options_gb" not in row:
            problems.append(f"{row['name']}: no memory size")
        if size and "total_bytes" in row and not 0.9 < row["total_bytes"] / (size * GIB) <= 1:
            problems.append(f"{row['name']}: total is not 90 to 100 % of {size} GB")
    return problems


BUILDERS = (TableBuilder("accelerators", build_accelerators, check_accelerators),)
