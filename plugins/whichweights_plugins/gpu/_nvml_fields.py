"""One NVIDIA device, field by field: each may be missing alone, then it is null with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whichweights_plugins.gpu._host_memory import read_meminfo
from whichweights_plugins.gpu._nvml_calls import (
    FUNCTION_NOT_FOUND,
    NOT_SUPPORTED,
    NvmlCalls,
    NvmlFailure,
)
from whichweights_schemas.accelerators import Accelerator, DeviceProcess
from whichweights_schemas.evidence import Basis, Evidence, Unknown

TOTAL_NOTE = "the driver's total; under CUDA an engine sees about 0.4 GiB less"
"""H100 79.65 v 79.19 GiB, A10 22.49 v 22.07, 3090 24.0 v 23.58: nvidia-smi against what PyTorch
reports, from public outputs collected 2026-11."""

_INTEGRATED_NAMES = ("GB10", "ORIN", "XAVIER", "THOR", "TEGRA")
_INTEGRATED_CAPABILITIES = frozenset({"5.3", "6.2", "7.2", "8.7", "11.0", "12.1"})
"""Chips that share the host's memory: Jetson Nano, TX2, Xavier, Orin and Thor, DGX Spark's GB10, by
developer.nvidia.com/cuda-gpus and its legacy page, read 2026-11."""


@dataclass(frozen=True)
class Memory:
    """Bytes of one device as the driver, or the host where memory is shared, tells them."""

    total_bytes: int | None = None
    free_bytes: int | None = None
    used_bytes: int | None = None
    note: str | None = None
    source: str | None = None
    basis: Basis = "exact"
    unified: bool | None = None


class DeviceReader:
    """Reads one device handle; collects in `unknown` what the driver did not tell."""

    def __init__(self, calls: NvmlCalls, handle: Any, index: int, proc_root: Path) -> None:
        self.unknown: list[Unknown] = []
        self.warnings: list[str] = []
        self.failures: list[NvmlFailure] = []
        self.calls = calls
        self.handle = handle
        self.index = index
        self._proc_root = proc_root

    def read(self, field: str, function: str, *arguments: Any) -> Any:
        """The function's answer for this device, or None after noting why the field is unknown."""
        try:
            return self.calls.call(function, self.handle, *arguments)
        except NvmlFailure as failure:
            self.miss(field, failure)
            return None

    def miss(self, field: str, failure: NvmlFailure) -> None:
        """Note that a field is unknown, and why."""
        self.failures.append(failure)
        self.unknown.append(Unknown(field=field, reason=failure.reason))

    def accelerator(self, driver: str | None) -> Accelerator:
        """The device as it is now; never raises for a field."""
        name: str = self.read("name", "nvmlDeviceGetName") or f"NVIDIA device {self.index}"
        capability = self._compute_capability()
        memory = self._memory(name, capability)
        return Accelerator(
            name=name,
            kind="gpu",
            vendor="NVIDIA",
            uuid=self.read("uuid", "nvmlDeviceGetUUID"),
            index=self.index,
            compute_capability=capability,
            total_bytes=memory.total_bytes,
            total_basis=memory.basis,
            total_note=memory.note,
            free_bytes=memory.free_bytes,
            used_bytes=memory.used_bytes,
            unified_memory=memory.unified,
            driver_version=driver,
            utilization_percent=self._utilization(),
            processes=self._processes(),
            mig_profile=name.partition(" MIG ")[2] or None,
            unknown=tuple(self.unknown),
            evidence=_evidence(memory, driver),
        )

    def _compute_capability(self) -> str | None:
        answer: tuple[int, int] | None = self.read(
            "compute_capability", "nvmlDeviceGetCudaComputeCapability"
        )
        return None if answer is None else f"{answer[0]}.{answer[1]}"

    def _utilization(self) -> float | None:
        rates = self.read("utilization_percent", "nvmlDeviceGetUtilizationRates")
        return None if rates is None else float(rates.gpu)

    def _memory(self, name: str, capability: str | None) -> Memory:
        try:
            info, reserved = self._memory_info()
        except NvmlFailure as failure:
            if failure.code == NOT_SUPPORTED:
                return self._shared_memory(name, capability)
            for field in ("total_bytes", "free_bytes", "used_bytes"):
                self.miss(field, failure)
            return Memory()
        if int(info.total) == 0:
            return self._shared_memory(name, capability)
        note = TOTAL_NOTE
        if reserved:
            note += f"; {reserved / 2**20:.0f} MiB of it are reserved by the driver"
        return Memory(int(info.total), int(info.free), int(info.used), note, unified=False)

    def _memory_info(self) -> tuple[Any, int | None]:
        """Version 2, which tells the reserved part apart, else version 1 (it counts as used)."""
        function = "nvmlDeviceGetMemoryInfo"
        try:
            version = self.calls.constant("nvmlMemory_v2")
            info = self.calls.call(function, self.handle, version=version)
        except NvmlFailure as failure:
            if failure.ends_session:
                raise
            return self.calls.call(function, self.handle), None
        return info, int(info.reserved)

    def _shared_memory(self, name: str, capability: str | None) -> Memory:
        """The host's memory, for chips without their own (GB10, Jetson): NVML has no total then."""
        known = capability in _INTEGRATED_CAPABILITIES or any(
            part in name.upper() for part in _INTEGRATED_NAMES
        )
        if not known:
            self.warnings.append(
                f"{name} reports no memory of its own; the host's memory is assumed to be shared "
                "with it. A card with its own memory would have another total"
            )
        try:
            host = read_meminfo(self._proc_root)
        except (OSError, ValueError) as error:
            reason = f"NVML tells no memory for this device and the host's is unreadable: {error}"
            fields = ("total_bytes", "free_bytes", "used_bytes")
            self.unknown += [Unknown(field=field, reason=reason) for field in fields]
            return Memory(unified=True if known else None)
        used = None if host.free_bytes is None else host.total_bytes - host.free_bytes
        if host.free_bytes is None:
            reason = f"{self._proc_root / 'meminfo'} has no MemAvailable"
            self.unknown += [
                Unknown(field=field, reason=reason) for field in ("free_bytes", "used_bytes")
            ]
        return Memory(
            host.total_bytes,
            host.free_bytes,
            used,
            "shared with the host: NVML reports no memory of the device's own",
            host.source,
            "exact" if known else "assumed",
            unified=True,
        )

    def _processes(self) -> tuple[DeviceProcess, ...] | None:
        """Compute and graphics processes, one entry a process; None when neither list is told."""
        found: dict[int, int | None] = {}
        answered = False
        for kind in ("Compute", "Graphics"):
            try:
                rows = self._running(f"nvmlDeviceGet{kind}RunningProcesses")
            except NvmlFailure as failure:
                self.miss("processes", failure)
                continue
            answered = True
            for row in rows:
                if found.get(row.pid) is None:
                    found[row.pid] = row.usedGpuMemory
        if not answered:
            return None
        if any(used is None for used in found.values()):
            reason = "the driver does not tell how much memory each process holds (as under WDDM)"
            self.unknown.append(Unknown(field="processes.used_bytes", reason=reason))
        return tuple(
            DeviceProcess(pid=pid, name=self._process_name(pid), used_bytes=used)
            for pid, used in sorted(found.items())
        )

    def _running(self, function: str) -> Any:
        """Version 3 of the list, else 2 (older drivers): the rows have the same layout."""
        try:
            return self.calls.call(f"{function}_v3", self.handle)
        except NvmlFailure as failure:
            if failure.code != FUNCTION_NOT_FOUND:
                raise
            return self.calls.call(f"{function}_v2", self.handle)

    def _process_name(self, pid: int) -> str | None:
        """The program, without its arguments: those may hold secrets. None when not permitted."""
        try:
            name: str = self.calls.call("nvmlSystemGetProcessName", pid)
        except NvmlFailure:  # another user's process, or another process namespace
            return None
        return name.partition(" -")[0].strip() or None


def _evidence(memory: Memory, driver: str | None) -> tuple[Evidence, ...]:
    source = f"NVML, driver {driver}" if driver else "NVML"
    sizes = ("total_bytes", "free_bytes", "used_bytes")
    others = ("name", "compute_capability", "utilization_percent", "processes")
    if memory.source is None:
        fields = others if memory.total_bytes is None else (*sizes, *others)
        return (Evidence(fields=fields, basis="exact", source=source),)
    return (
        Evidence(fields=sizes, basis=memory.basis, source=memory.source, note=memory.note),
        Evidence(fields=others, basis="exact", source=source),
    )
