"""AMD devices on Linux from the kernel's own files, without ROCm or amdsmi."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from whichweights_plugins.gpu._host_memory import HostMemory
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.evidence import Evidence, Unknown

_AMD, _INTEL = 0x1002, 0x8086

_INTEGRATED_GFX = frozenset(
    {
        *("gfx902", "gfx909", "gfx90c"),
        *("gfx1013", "gfx1033", "gfx1035", "gfx1036"),
        *("gfx1103", "gfx1150", "gfx1151", "gfx1152", "gfx1153"),
    }
)
"""Targets of chips that share the host's memory: those marked APU in the processor table of LLVM's
AMDGPU guide (llvm.org/docs/AMDGPUUsage.html), read 2026-11."""

_UNREADABLE = ("processes", "driver_version")


@dataclass(frozen=True)
class _Sizes:
    """Bytes of the card's own memory, and of the host memory it may map (GTT)."""

    vram_total: int
    vram_used: int | None
    gtt_total: int | None
    gtt_used: int | None


def read_cards(
    sys_root: Path, names: Path, host: HostMemory | None
) -> tuple[list[Accelerator], list[Unknown]]:
    """The AMD devices of this machine, and graphics devices whose memory cannot be read so.

    `names` is libdrm's table of marketing names; a missing one leaves the PCI id as the name.
    """
    devices: list[Accelerator] = []
    unknown: list[Unknown] = []
    targets = _gfx_targets(sys_root)
    for card in _cards(sys_root):
        vendor = _hexadecimal(card / "device" / "vendor")
        if vendor == _INTEL:
            reason = f"an Intel graphics device ({card.name}) is present; its memory is not read"
            unknown.append(Unknown(field="accelerators", reason=reason))
        if vendor != _AMD:
            continue
        sizes = _sizes(card / "device")
        if sizes is None:
            reason = f"an AMD device ({card.name}) is present; its driver tells no memory size"
            unknown.append(Unknown(field="accelerators", reason=reason))
            continue
        gfx = next((targets[node] for node in _render_nodes(card) if node in targets), None)
        devices.append(_accelerator(card / "device", len(devices), sizes, gfx, names, host))
    return devices, unknown


def _cards(sys_root: Path) -> list[Path]:
    """card0, card1 …; connectors such as card0-DP-1 are left out."""
    found = [path for path in (sys_root / "class" / "drm").glob("card*") if path.name[4:].isdigit()]
    return sorted(found, key=lambda path: int(path.name[4:]))


def _accelerator(
    device: Path, index: int, sizes: _Sizes, gfx: str | None, names: Path, host: HostMemory | None
) -> Accelerator:
    unknown = [Unknown(field=field, reason="amdgpu's files do not tell") for field in _UNREADABLE]
    integrated = None if gfx is None else gfx in _INTEGRATED_GFX
    if gfx is None:
        reason = "the kernel lists no compute node (kfd) for this device"
        unknown += [Unknown(field=field, reason=reason) for field in ("gfx", "unified_memory")]
    total, free, note = _memory(sizes, host) if integrated else _own_memory(sizes)
    if free is None:
        reason = f"{device}/mem_info_vram_used is unreadable"
        unknown.append(Unknown(field="free_bytes", reason=reason))
    busy = _decimal(device / "gpu_busy_percent")
    if busy is None:
        reason = f"{device}/gpu_busy_percent is unreadable"
        unknown.append(Unknown(field="utilization_percent", reason=reason))
    identity = _text(device / "unique_id")
    return Accelerator(
        name=_name(device, names),
        kind="gpu",
        vendor="AMD",
        uuid=f"GPU-{identity}" if identity else None,
        index=index,
        gfx=gfx,
        total_bytes=total,
        total_basis="exact",
        total_note=note,
        free_bytes=free,
        used_bytes=None if free is None else total - free,
        unified_memory=integrated,
        utilization_percent=None if busy is None else float(busy),
        unknown=tuple(unknown),
        evidence=(
            Evidence(
                fields=("total_bytes", "free_bytes", "used_bytes", "utilization_percent"),
                basis="exact",
                source=f"amdgpu driver, {device}/mem_info_*",
            ),
        ),
    )


def _own_memory(sizes: _Sizes) -> tuple[int, int | None, str | None]:
    used = sizes.vram_used
    return sizes.vram_total, None if used is None else max(0, sizes.vram_total - used), None


def _memory(sizes: _Sizes, host: HostMemory | None) -> tuple[int, int | None, str | None]:
    """An integrated chip: the firmware's carve-out plus what it may map of the host's memory.

    The mapped part can be no more than the host has free.
    """
    total, free, _ = _own_memory(sizes)
    if sizes.gtt_total is None:
        return total, free, "the firmware's carve-out; the mappable host memory is unreadable"
    note = (
        f"shared memory: {total / 2**30:.2f} GiB set aside by the firmware plus "
        f"{sizes.gtt_total / 2**30:.2f} GiB of host memory the driver may map"
    )
    if free is not None:
        mappable = sizes.gtt_total - (sizes.gtt_used or 0)
        if host is not None and host.free_bytes is not None:
            mappable = min(mappable, host.free_bytes)
        free += max(0, mappable)
    return total + sizes.gtt_total, free, note


def _sizes(device: Path) -> _Sizes | None:
    vram_total = _decimal(device / "mem_info_vram_total")
    if not vram_total:
        return None
    return _Sizes(
        vram_total,
        _decimal(device / "mem_info_vram_used"),
        _decimal(device / "mem_info_gtt_total"),
        _decimal(device / "mem_info_gtt_used"),
    )


def _name(device: Path, names: Path) -> str:
    """The board's own name, else libdrm's marketing name, else the PCI id."""
    board = _text(device / "product_name")
    if board:
        return board
    chip, revision = _hexadecimal(device / "device"), _hexadecimal(device / "revision")
    if chip is None:
        return "AMD graphics device"
    for row in (_text(names) or "").splitlines():
        columns = [column.strip() for column in row.split(",", 2)]
        if len(columns) == 3 and columns[:2] == [f"{chip:04X}", f"{revision or 0:02X}"]:
            return columns[2]
    return f"AMD graphics device {_AMD:04x}:{chip:04x}"


def _gfx_targets(sys_root: Path) -> dict[int, str]:
    """Compute targets by render node, from the kernel's kfd topology: 110501 is gfx1151."""
    targets: dict[int, str] = {}
    for properties in (sys_root / "class/kfd/kfd/topology/nodes").glob("*/properties"):
        values = dict(re.findall(r"^(\w+) (\d+)$", _text(properties) or "", re.MULTILINE))
        version = int(values.get("gfx_target_version", "0"))
        if version:
            major, minor, stepping = version // 10000, version // 100 % 100, version % 100
            targets[int(values.get("drm_render_minor", "-1"))] = f"gfx{major}{minor:x}{stepping:x}"
    return targets


def _render_nodes(card: Path) -> Iterator[int]:
    for path in (card / "device" / "drm").glob("renderD*"):
        if path.name[7:].isdigit():
            yield int(path.name[7:])


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _decimal(path: Path) -> int | None:
    return _number(path, 10)


def _hexadecimal(path: Path) -> int | None:
    return _number(path, 16)


def _number(path: Path, base: int) -> int | None:
    try:
        return int(_text(path) or "", base)
    except ValueError:
        return None
