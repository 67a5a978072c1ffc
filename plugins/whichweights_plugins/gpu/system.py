"""The host itself: its memory, an Apple chip's GPU, AMD devices the Linux kernel tells about."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Literal

from whichweights_plugins.gpu._amd_sysfs import read_cards
from whichweights_plugins.gpu._darwin import apple_accelerator, read_mac
from whichweights_plugins.gpu._host_memory import HostMemory, read_host_memory
from whichweights_plugins.gpu._windows import read_windows
from whichweights_schemas._base import Settings
from whichweights_schemas.accelerators import Accelerator, DeviceReading
from whichweights_schemas.evidence import Evidence, Unknown
from whichweights_schemas.providers import GpuProvider

Platform = Literal["auto", "linux", "darwin", "windows"]


class SystemSettings(Settings):
    """Where the operating system is asked; `auto` is the platform Python runs on."""

    platform: Platform = "auto"
    proc_root: str = "/proc"
    sys_root: str = "/sys"
    amdgpu_names: str = "/usr/share/libdrm/amdgpu.ids"
    sysctl: str = "/usr/sbin/sysctl"
    vm_stat: str = "/usr/bin/vm_stat"


class SystemProvider(GpuProvider[SystemSettings]):
    """Host memory (kind `cpu`, in `memory`), Apple chips and AMD devices. Never raises."""

    settings_model = SystemSettings

    async def status(self) -> dict[str, str]:
        reading = await self.accelerators()
        facts = {"platform": _platform(self.settings)}
        if reading.memory is not None:
            facts["memory"] = reading.memory.evidence[0].source
        return facts

    async def accelerators(self) -> DeviceReading:
        return await self.run_blocking(read_system, self.settings)


def read_system(settings: SystemSettings) -> DeviceReading:
    """Everything this machine's operating system tells. Blocking."""
    platform = _platform(settings)
    try:
        if platform == "linux":
            return _linux(settings)
        if platform == "darwin":
            return _darwin(settings)
        if platform == "windows":
            return DeviceReading(memory=_host(read_windows()))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        reason = f"the memory of this machine could not be read: {error}"
        return DeviceReading(unknown=(Unknown(field="memory", reason=reason),))
    reason = f"there is no reader for the platform {platform!r}"
    return DeviceReading(unknown=(Unknown(field="memory", reason=reason),))


def _platform(settings: SystemSettings) -> str:
    if settings.platform != "auto":
        return settings.platform
    return "windows" if sys.platform == "win32" else sys.platform


def _linux(settings: SystemSettings) -> DeviceReading:
    """AMD devices stand even where the host's memory cannot be read."""
    sys_root = Path(settings.sys_root)
    unknown: list[Unknown] = []
    host: HostMemory | None = None
    try:
        host = read_host_memory(Path(settings.proc_root), sys_root)
    except (OSError, ValueError) as error:
        unknown.append(Unknown(field="memory", reason=f"the host's memory is unreadable: {error}"))
    devices, missing = read_cards(sys_root, Path(settings.amdgpu_names), host)
    return DeviceReading(
        accelerators=tuple(devices),
        memory=None if host is None else _host(host),
        unknown=(*unknown, *missing),
    )


def _darwin(settings: SystemSettings) -> DeviceReading:
    reading = read_mac(settings.sysctl, settings.vm_stat)
    chip = apple_accelerator(reading)
    return DeviceReading(
        accelerators=() if chip is None else (chip,),
        memory=_host(reading.memory, unified=chip is not None),
    )


def _host(host: HostMemory, *, unified: bool | None = None) -> Accelerator:
    """The host's memory in the shape of a device, so that a plan can place layers on it."""
    unknown = [
        Unknown(
            field="memory_bandwidth_bytes_per_second",
            reason="the operating system does not tell it",
        )
    ]
    if host.free_bytes is None:
        reason = f"{host.source}: no figure for available memory"
        unknown.append(Unknown(field="free_bytes", reason=reason))
    fields = ("total_bytes", "free_bytes", "used_bytes")
    return Accelerator(
        name="system memory",
        kind="cpu",
        total_bytes=host.total_bytes,
        total_basis="exact",
        total_note=host.note,
        free_bytes=host.free_bytes,
        used_bytes=None if host.free_bytes is None else host.total_bytes - host.free_bytes,
        unified_memory=unified,
        unknown=tuple(unknown),
        evidence=(Evidence(fields=fields, basis="exact", source=host.source, note=host.note),),
    )
