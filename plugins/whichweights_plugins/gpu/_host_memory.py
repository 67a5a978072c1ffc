"""Memory of a Linux host: /proc/meminfo, and the control group's limit where that is lower."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_LINE = re.compile(r"^(\w+):\s+(\d+) kB$", re.MULTILINE)
_CGROUP_UNLIMITED = 1 << 60
"""Version 1 writes "no limit" as a page-rounded 2^63 - 1; no host has an exbibyte."""


@dataclass(frozen=True)
class HostMemory:
    """Total and usable memory in bytes, what they were read from, and why the total is lower."""

    total_bytes: int
    free_bytes: int | None
    source: str
    note: str | None = None


@dataclass(frozen=True)
class _Group:
    """One control group with a memory limit of its own."""

    limit_bytes: int
    free_bytes: int | None


def read_meminfo(proc_root: Path) -> HostMemory:
    """MemTotal and MemAvailable in bytes.

    Raises OSError when the file cannot be read and ValueError when it has no MemTotal.
    """
    path = proc_root / "meminfo"
    lines = _LINE.findall(path.read_text(encoding="ascii", errors="replace"))
    fields = {name: int(kib) * 1024 for name, kib in lines}
    total = fields.get("MemTotal", 0)
    if total == 0:
        raise ValueError(f"{path} has no MemTotal")
    # MemAvailable: since Linux 3.14 (Documentation/filesystems/proc.rst); older hosts tell less.
    return HostMemory(total, fields.get("MemAvailable"), f"{path} (MemTotal, MemAvailable)")


def read_host_memory(proc_root: Path, sys_root: Path) -> HostMemory:
    """The host's memory as this process may use it: never more than its control group allows.

    Raises OSError and ValueError as `read_meminfo` does; an unreadable group counts as none.
    """
    host = read_meminfo(proc_root)
    limits = _groups(proc_root, sys_root)
    groups = [group for group in limits if group.limit_bytes < host.total_bytes]
    if not groups:
        return host
    total = min(group.limit_bytes for group in groups)
    free = [host.free_bytes, *(group.free_bytes for group in groups)]
    known = [value for value in free if value is not None]
    return HostMemory(
        total_bytes=total,
        free_bytes=min(min(known), total) if known else None,
        source=f"{host.source} and the control group's memory limit",
        note=(
            f"limited by the control group (container) to {total / 2**30:.2f} GiB; "
            f"the host has {host.total_bytes / 2**30:.2f} GiB"
        ),
    )


def _groups(proc_root: Path, sys_root: Path) -> list[_Group]:
    """The limits above this process, in cgroup v2 and in the v1 memory controller."""
    found: list[_Group] = []
    mount = sys_root / "fs" / "cgroup"
    for hierarchy, controllers, path in _memberships(proc_root):
        if hierarchy == "0":
            found += _walk(mount, path, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            found += _walk(mount / "memory", path, *names)
    return found


def _memberships(proc_root: Path) -> list[tuple[str, str, str]]:
    """The rows of /proc/self/cgroup: hierarchy, controllers, path; empty when unreadable."""
    try:
        text = (proc_root / "self" / "cgroup").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    rows = [line.split(":", 2) for line in text.splitlines()]
    return [(row[0], row[1], row[2]) for row in rows if len(row) == 3]


def _walk(mount: Path, path: str, limit: str, usage: str, cache: str) -> list[_Group]:
    """The group and its ancestors up to the mount: the lowest limit binds.

    A container without its own namespace sees a path of the host that its mount does not hold; the
    mount's root is its own group then, which the walk reaches last.
    """
    parts = [part for part in PurePosixPath(path).parts if part not in ("/", "..")]
    folders = [mount.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1)]
    groups: list[_Group] = []
    for folder in folders:
        limit_bytes = _read_bytes(folder / limit)
        if limit_bytes is None or limit_bytes >= _CGROUP_UNLIMITED:
            continue
        used = _read_bytes(folder / usage)
        free = None
        if used is not None:
            # File cache that was not touched lately is given back first; kubelet counts it so too.
            reclaimable = _read_statistic(folder / "memory.stat", cache)
            free = max(0, limit_bytes - max(0, used - reclaimable))
        groups.append(_Group(limit_bytes, free))
    return groups


def _read_bytes(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # absent, or "max"
        return None


def _read_statistic(path: Path, name: str) -> int:
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    match = re.search(rf"^{re.escape(name)} (\d+)$", text, re.MULTILINE)
    return int(match[1]) if match else 0
