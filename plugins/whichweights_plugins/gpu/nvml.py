"""NVIDIA devices through NVML, the driver's own library."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from whichweights_plugins.gpu._nvml_calls import NOT_FOUND, NvmlCalls, NvmlFailure
from whichweights_plugins.gpu._nvml_fields import DeviceReader
from whichweights_schemas._base import Settings
from whichweights_schemas.accelerators import Accelerator, DeviceReading
from whichweights_schemas.evidence import Unknown
from whichweights_schemas.providers import GpuProvider, ProviderContext


class NvmlSettings(Settings):
    """Where the host's memory is read for devices that share it."""

    proc_root: str = "/proc"


class NvmlProvider(GpuProvider[NvmlSettings]):
    """NVIDIA devices of this machine as the driver reports them now. Never raises for a device."""

    settings_model = NvmlSettings

    def __init__(self, context: ProviderContext[NvmlSettings]) -> None:
        super().__init__(context)
        self._session = _Session(Path(self.settings.proc_root))

    async def available(self) -> str | None:
        return await self.run_blocking(self._session.why_unavailable)

    async def status(self) -> dict[str, str]:
        return await self.run_blocking(self._session.facts)

    async def accelerators(self) -> DeviceReading:
        return await self.run_blocking(self._session.snapshot)


class _Session:
    """NVML, initialised once and kept; blocking, so used in worker threads only."""

    def __init__(self, proc_root: Path) -> None:
        self._proc_root = proc_root
        self._calls: NvmlCalls | None = None

    def why_unavailable(self) -> str | None:
        try:
            self._open()
        except NvmlFailure as failure:
            return failure.reason
        return None

    def facts(self) -> dict[str, str]:
        try:
            calls = self._open()
            driver: str = calls.call("nvmlSystemGetDriverVersion")
            return {"driver": driver, "devices": str(calls.call("nvmlDeviceGetCount"))}
        except NvmlFailure as failure:
            return {"driver": failure.reason}

    def snapshot(self) -> DeviceReading:
        reading = _Reading()
        try:
            calls = self._open()
            driver = reading.driver_version(calls)
            count: int = calls.call("nvmlDeviceGetCount")
        except NvmlFailure as failure:
            self._forget_if_lost([failure])
            reading.unknown.append(Unknown(field="accelerators", reason=failure.reason))
            return reading.result()
        for index in range(count):
            self._forget_if_lost(reading.add_device(calls, index, driver, self._proc_root))
        if count == 0:
            reading.warnings.append(f"NVIDIA driver {driver or '(version unknown)'} has no device")
        return reading.result()

    def _open(self) -> NvmlCalls:
        """The initialised library. Raises NvmlFailure; a later call tries again."""
        if self._calls is None:
            calls = NvmlCalls(importlib.import_module("pynvml"))
            calls.call("nvmlInit")
            self._calls = calls
        return self._calls

    def _forget_if_lost(self, failures: list[NvmlFailure]) -> None:
        """Initialise anew next time when the driver went away: it may be back by then."""
        if any(failure.ends_session for failure in failures):
            self._calls = None


class _Reading:
    """A reading under construction."""

    def __init__(self) -> None:
        self.accelerators: list[Accelerator] = []
        self.unknown: list[Unknown] = []
        self.warnings: list[str] = []

    def result(self) -> DeviceReading:
        return DeviceReading(
            accelerators=tuple(self.accelerators),
            unknown=tuple(self.unknown),
            warnings=tuple(self.warnings),
        )

    def driver_version(self, calls: NvmlCalls) -> str | None:
        try:
            return calls.call("nvmlSystemGetDriverVersion")
        except NvmlFailure as failure:
            if failure.ends_session:
                raise
            self.unknown.append(Unknown(field="driver_version", reason=failure.reason))
            return None

    def add_device(
        self, calls: NvmlCalls, index: int, driver: str | None, proc_root: Path
    ) -> list[NvmlFailure]:
        """Add the device, or its slices where it is divided; the failures on the way."""
        field = f"accelerators[{index}]"
        try:
            handle = calls.call("nvmlDeviceGetHandleByIndex", index)
        except NvmlFailure as failure:
            self.unknown.append(Unknown(field=field, reason=failure.reason))
            return [failure]
        reader = DeviceReader(calls, handle, index, proc_root)
        device = reader.accelerator(driver)
        failures = reader.failures
        if _mig_enabled(reader):
            failures += self._add_slices(reader, device, driver, proc_root)
        else:
            self.accelerators.append(device)
            self.warnings += reader.warnings
        return failures

    def _add_slices(
        self, parent: DeviceReader, device: Accelerator, driver: str | None, proc_root: Path
    ) -> list[NvmlFailure]:
        """The MIG instances in place of their parent: nothing can run on the whole device then."""
        failures: list[NvmlFailure] = []
        handles = self._slice_handles(parent, failures)
        for handle in handles:
            reader = DeviceReader(parent.calls, handle, parent.index, proc_root)
            self.accelerators.append(_slice(reader.accelerator(driver), device))
            failures += reader.failures
        if not handles:
            self.warnings.append(
                f"{device.name} ({device.uuid or device.index}) is in MIG mode and no instance of "
                "it can be used; it is not counted"
            )
        return failures

    def _slice_handles(self, parent: DeviceReader, failures: list[NvmlFailure]) -> list[Any]:
        """Handles of the instances that exist and may be used; failures are noted."""
        field = f"accelerators[{parent.index}].mig"
        handles: list[Any] = []
        try:
            slots: int = parent.calls.call("nvmlDeviceGetMaxMigDeviceCount", parent.handle)
        except NvmlFailure as failure:
            failures.append(failure)
            self.unknown.append(Unknown(field=field, reason=failure.reason))
            return handles
        for slot in range(slots):
            function = "nvmlDeviceGetMigDeviceHandleByIndex"
            try:
                handles.append(parent.calls.call(function, parent.handle, slot))
            except NvmlFailure as failure:
                if failure.code != NOT_FOUND:  # not found = this slot is empty
                    failures.append(failure)
                    self.unknown.append(Unknown(field=field, reason=failure.reason))
        return handles


def _mig_enabled(reader: DeviceReader) -> bool:
    """Whether the device is divided now; a device or driver without MIG is not."""
    try:
        current, _pending = reader.calls.call("nvmlDeviceGetMigMode", reader.handle)
    except NvmlFailure:
        return False
    return current == 1


def _slice(instance: Accelerator, parent: Accelerator) -> Accelerator:
    """The instance, with what only its parent tells."""
    told_by_parent = {"compute_capability"} if parent.compute_capability else set[str]()
    unknown = [row for row in instance.unknown if row.field not in told_by_parent]
    name = instance.name
    if instance.mig_profile is None:
        name = f"{parent.name} MIG"
        unknown.append(Unknown(field="mig_profile", reason="the driver's name does not tell it"))
    return instance.model_copy(
        update={
            "name": name,
            "compute_capability": instance.compute_capability or parent.compute_capability,
            "unknown": tuple(unknown),
        }
    )
