"""Memory of a Mac: `sysctl` and `vm_stat`, and the part its GPU may use."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

from whichweights_plugins.gpu._host_memory import HostMemory
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.evidence import Evidence, Unknown

_GIB = 1 << 30
_DEADLINE_SECONDS = 5.0
_AVAILABLE_PAGES = ("Pages free", "Pages inactive", "Pages speculative", "Pages purgeable")


@dataclass(frozen=True)
class MacReading:
    """The chip's name, the host's memory, and the limit the user set for the GPU (0 = none)."""

    brand: str
    memory: HostMemory
    wired_limit_mb: int = 0


def read_mac(sysctl: str, vm_stat: str) -> MacReading:
    """Run the two commands. Blocking.

    Raises OSError, subprocess.SubprocessError and ValueError when memory cannot be read.
    """
    total = int(_run(sysctl, "-n", "hw.memsize"))
    try:
        brand = _run(sysctl, "-n", "machdep.cpu.brand_string").strip()
    except (OSError, subprocess.SubprocessError):
        brand = ""
    try:
        wired_limit = int(_run(sysctl, "-n", "iogpu.wired_limit_mb"))
    except (OSError, subprocess.SubprocessError, ValueError):  # Intel, or macOS before 14
        wired_limit = 0
    try:
        free = available_bytes(_run(vm_stat))
    except (OSError, subprocess.SubprocessError, ValueError):
        free = None
    memory = HostMemory(total, free, "sysctl hw.memsize and vm_stat")
    return MacReading(brand, memory, wired_limit)


def available_bytes(vm_stat: str) -> int:
    """Bytes that can be had without swapping: free, inactive, speculative and purgeable pages.

    Raises ValueError when the output is not vm_stat's.
    """
    page = re.search(r"page size of (\d+) bytes", vm_stat)
    counts = {name: int(count) for name, count in re.findall(r'^"?(.+?)"?:\s+(\d+)', vm_stat, re.M)}
    if page is None or "Pages free" not in counts:
        raise ValueError("vm_stat tells no page counts")
    return int(page[1]) * sum(counts.get(name, 0) for name in _AVAILABLE_PAGES)


def gpu_budget_bytes(total_bytes: int) -> int:
    """What Metal lets the GPU hold: 2/3 of memory up to 36 GiB, 3/4 above.

    Metal's recommendedMaxWorkingSetSize as several secondary sources report it (128 GB: 96 GB),
    read 2026-11; not measured by us.
    """
    return total_bytes * 2 // 3 if total_bytes <= 36 * _GIB else total_bytes * 3 // 4


def apple_accelerator(reading: MacReading) -> Accelerator | None:
    """The chip's GPU with its share of the memory; None on a Mac without an Apple chip."""
    if "Apple" not in reading.brand:
        return None
    host = reading.memory
    if reading.wired_limit_mb > 0:
        total = min(reading.wired_limit_mb << 20, host.total_bytes)
        source, note = "sysctl iogpu.wired_limit_mb", "the limit set on this machine for the GPU"
    else:
        total = gpu_budget_bytes(host.total_bytes)
        source = "Metal's recommended working set, as secondary sources report it"
        note = "2/3 of memory up to 36 GiB, 3/4 above; sysctl iogpu.wired_limit_mb changes it"
    free = None if host.free_bytes is None else min(total, host.free_bytes)
    fixed = reading.wired_limit_mb > 0
    fields = ["utilization_percent", "processes"] + ([] if free is not None else ["free_bytes"])
    return Accelerator(
        name=reading.brand,
        kind="apple",
        vendor="Apple",
        index=0,
        total_bytes=total,
        total_basis="exact" if fixed else "published",
        total_note=f"{note}; the machine has {host.total_bytes / _GIB:.0f} GiB",
        free_bytes=free,
        used_bytes=None if free is None else total - free,
        marketing_gb=host.total_bytes / _GIB,
        unified_memory=True,
        unverified=() if fixed else ("total_bytes",),
        unknown=tuple(Unknown(field=field, reason="macOS did not tell") for field in fields),
        evidence=(
            Evidence(
                fields=("total_bytes",), basis="exact" if fixed else "published", source=source
            ),
            Evidence(fields=("free_bytes", "used_bytes"), basis="exact", source=host.source),
        ),
    )


def _run(*command: str) -> str:
    """Standard output. The locale is fixed: the text is parsed."""
    finished = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=_DEADLINE_SECONDS,
        encoding="utf-8",
        errors="replace",
        env={"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/bin"},
    )
    return finished.stdout
