"""gpu_status: the devices of this machine as they are now, or what a named device is."""

from __future__ import annotations

from collections.abc import Iterable

from whichweights.answering import EvidenceLog, gib_or_none
from whichweights.planning.device_formats import runnable_formats
from whichweights.registry import ProviderSession
from whichweights.resolve.accelerators import LIVE, resolve_machine
from whichweights.resolve.clock import utc_now
from whichweights.tools._spec import ToolSpec
from whichweights.tools._words import in_words
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.evidence import Unknown
from whichweights_schemas.tools.gpu_status import DeviceStatus, GpuStatusArguments, GpuStatusResult

_NAMED = "named, not read: use, driver and processes are known of live devices only"


async def run(arguments: GpuStatusArguments, session: ProviderSession) -> GpuStatusResult:
    """Read or look up every device. Raises UnknownAccelerator, InvalidArgument."""
    machine = await resolve_machine(session, arguments.accelerators)
    record = EvidenceLog()
    record.warn(*machine.notes)
    for entry in machine.unknown:
        record.unknown(entry.field, entry.reason)
    for device in (*machine.accelerators, *filter(None, [machine.memory])):
        for entry in device.evidence:
            fields = [f"{device.name}.{_answer_field(field)}" for field in entry.fields]
            record.add(fields, entry.basis, entry.source, date=entry.date, note=entry.note)
        for unknown in device.unknown:
            record.unknown(f"{device.name}.{_answer_field(unknown.field)}", unknown.reason)
        if device.unverified:
            record.warn(f"{device.name}: not verified: {in_words(device.unverified)}")
    if any(entry.strip().lower() != LIVE for entry in arguments.accelerators):
        record.unknown("devices.used_gib", _NAMED)
    return GpuStatusResult(
        devices=_counted(
            _status(device, machine.sources.get(index, "argument"))
            for index, device in enumerate(machine.accelerators)
        ),
        system_memory=_status(machine.memory, "system") if machine.memory else None,
        read_at=utc_now(),
        warnings=record.warnings,
        evidence=record.evidence,
        unknown=record.unknowns,
    )


def _answer_field(field: str) -> str:
    """The name a fact has in the answer."""
    return field.replace("bytes_per_second", "gb_s").replace("_bytes", "_gib")


def _counted(rows: Iterable[DeviceStatus]) -> tuple[DeviceStatus, ...]:
    """One row a device; named devices that are the same are counted together."""
    found: list[DeviceStatus] = []
    for row in rows:
        if found and row.uuid is None and found[-1].model_copy(update={"count": 1}) == row:
            found[-1] = row.model_copy(update={"count": found[-1].count + 1})
        else:
            found.append(row)
    return tuple(found)


def _status(device: Accelerator, source: str) -> DeviceStatus:
    bandwidth = device.memory_bandwidth_bytes_per_second
    return DeviceStatus(
        name=device.name,
        kind=device.kind,
        index=device.index,
        uuid=device.uuid,
        vendor=device.vendor,
        total_gib=gib_or_none(device.total_bytes),
        total_basis=device.total_basis,
        total_note=device.total_note,
        used_gib=gib_or_none(device.used_bytes),
        free_gib=gib_or_none(device.free_bytes),
        memory_bandwidth_gb_s=round(bandwidth / 1e9, 1) if bandwidth else None,
        compute_capability=device.compute_capability,
        architecture=device.architecture,
        unified_memory=device.unified_memory,
        mig_profile=device.mig_profile,
        driver_version=device.driver_version,
        utilization_percent=device.utilization_percent,
        processes=device.processes,
        formats={} if device.kind == "cpu" else runnable_formats(device),
        source=source,
    )


def text(result: GpuStatusResult) -> str:
    """One line a device."""
    lines = [_line(device) for device in result.devices]
    if result.system_memory is not None:
        lines.append(_line(result.system_memory))
    unread = [_unread(entry) for entry in result.unknown if entry.reason != _NAMED]
    return "\n".join((*lines, *(w for w in result.warnings if w not in lines), *unread[:3]))


def _unread(entry: Unknown) -> str:
    device, _, field = entry.field.rpartition(".")
    return f"{device}{': ' if device else ''}{in_words([field])} not known: {entry.reason}"


def _line(device: DeviceStatus) -> str:
    free = "unknown" if device.free_gib is None else f"{device.free_gib:.1f} GiB"
    total = "unknown" if device.total_gib is None else f"{device.total_gib:.1f} GiB"
    many = f"{device.count}x " if device.count > 1 else ""
    line = f"{many}{device.name}: {free} free of {total}{' each' if many else ''}"
    if device.compute_capability:
        line += f", compute capability {device.compute_capability}"
    if device.memory_bandwidth_gb_s:
        line += f", {device.memory_bandwidth_gb_s:g} GB/s"
    return line


SPEC = ToolSpec(
    name="gpu_status",
    title="GPU status",
    description=(
        "Devices of this machine with total, used and free memory (GiB) right now, who uses them, "
        "and which weight formats they can run; or look up named devices. What cannot be read is "
        "listed in `unknown` with the reason."
    ),
    arguments=GpuStatusArguments,
    result=GpuStatusResult,
    run=run,
    text=text,
)
