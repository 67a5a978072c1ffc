""" "2x RTX 4090", "24GiB", "live" → the devices of one machine."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from whichweights.registry import ProviderSession
from whichweights.resolve._mig import as_slice, split_profile
from whichweights.resolve.undecided import refuse_undecided, silent_reports
from whichweights_schemas.accelerators import Accelerator, DeviceReading
from whichweights_schemas.errors import InvalidArgument, UnknownAccelerator
from whichweights_schemas.evidence import Evidence, Unknown
from whichweights_schemas.providers import AcceleratorCatalogue, GpuProvider
from whichweights_schemas.requests import LookupAccelerator

LIVE = "live"
MAX_DEVICES = 512
MAX_BYTES = 1 << 60

_COUNT = re.compile(r"(?:(\d{1,18})\s*[x\u00d7*]\s*)?(.+)", re.IGNORECASE | re.DOTALL)
_SIZE = re.compile(
    r"(\d{1,15}(?:\.\d{1,9})?)\s*(gib|gb|g|tib|tb|mib|mb)(?:\s+(?:vram|(ram|memory)))?",
    re.IGNORECASE,
)
_RAM_FIRST = re.compile(r"(?:ram|system memory|memory)\s*(.+)", re.IGNORECASE)
_UNIT_BYTES = {
    "gib": 1 << 30,
    "g": 1 << 30,
    "gb": 10**9,
    "tib": 1 << 40,
    "tb": 10**12,
    "mib": 1 << 20,
    "mb": 10**6,
}
_SYSTEM_BYTES = 2 << 30
"""What an operating system and its services take of a named memory: assumed, between a bare Linux
server (under 1 GiB) and Windows 11 with a desktop (about 4 GiB; its stated minimum is 4 GB)."""
_BRAND = re.compile(r"\b(nvidia|geforce|tesla|quadro|amd|radeon|instinct|apple|intel)\b")
_MEMORY_IN_NAME = re.compile(r"\b(\d{1,4})\s*(?:gb|gib|g)\b", re.IGNORECASE)


@dataclass
class Machine:
    """One machine: its devices, its own memory where known, and what was understood."""

    accelerators: list[Accelerator] = field(default_factory=list[Accelerator])
    memory: Accelerator | None = None
    live: bool = False
    notes: list[str] = field(default_factory=list[str])
    unknown: list[Unknown] = field(default_factory=list[Unknown])
    sources: dict[int, str] = field(default_factory=dict[int, str])

    @property
    def names(self) -> tuple[str, ...]:
        """The devices in words, equal ones counted together."""
        counts: dict[str, int] = {}
        for device in self.accelerators:
            counts[device.name] = counts.get(device.name, 0) + 1
        return tuple(name if n == 1 else f"{n}x {name}" for name, n in counts.items())


async def resolve_machine(session: ProviderSession, entries: Sequence[str]) -> Machine:
    """The devices the entries name, together one machine; "live" counts once.

    Raises UnknownAccelerator with the nearest names, ProviderTimeout or ProviderFailed while a
    catalogue that may know the name is silent, or InvalidArgument for a senseless count.
    """
    machine = Machine()
    for entry in entries:
        if entry.strip().lower() == LIVE:
            if not machine.live:
                await _add_live(session, machine)
        else:
            await _add_named(session, machine, entry)
    if machine.live and not machine.accelerators:
        machine.notes.append(_no_gpu(session, machine))
    return machine


def _no_gpu(session: ProviderSession, machine: Machine) -> str:
    silent = silent_reports(session, GpuProvider)
    if silent:
        who = "; ".join(f"{report.name}: {report.detail or report.status}" for report in silent)
        return f"whether there is a GPU is not known ({who}): ask again, or name the device"
    if machine.memory is None:
        return "no GPU was found and the system memory could not be read"
    return "no GPU was found: CPU and system memory are what there is"


async def _add_live(session: ProviderSession, machine: Machine) -> None:
    machine.live = True
    seen = {device.uuid for device in machine.accelerators if device.uuid}
    readings: list[tuple[str, DeviceReading]] = await session.all(
        GpuProvider, lambda p: p.accelerators()
    )
    for provider, reading in readings:
        for device in reading.accelerators:
            if device.uuid is not None and device.uuid in seen:
                continue
            _add(machine, device, provider)
            if device.uuid is not None:
                seen.add(device.uuid)
        if machine.memory is None:
            machine.memory = reading.memory
        machine.unknown.extend(reading.unknown)
        machine.notes.extend(reading.warnings)


async def _add_named(session: ProviderSession, machine: Machine, entry: str) -> None:
    match = _COUNT.fullmatch(entry.strip())
    count, name = int(match[1] or 1) if match else 1, (match[2] if match else entry).strip()
    if not 1 <= count <= MAX_DEVICES - len(machine.accelerators):
        raise InvalidArgument(
            f"“{entry[:60]}” names {count} devices",
            field="accelerators",
            hint=f"1 to {MAX_DEVICES} devices make one machine",
        )
    memory = _system_memory(name, count)
    if memory is not None:
        machine.memory = memory
        machine.notes.append(_kept_for_the_system(memory))
        return
    size = _plain_size(machine, name)
    provider = "argument"
    if size is None:
        provider, size = await _looked_up(session, name, machine)
    for _ in range(count):
        _add(machine, size, provider)


def _add(machine: Machine, device: Accelerator, provider: str) -> None:
    machine.sources[len(machine.accelerators)] = provider
    machine.accelerators.append(device)


def _bytes_of(text: str) -> int | None:
    match = _SIZE.fullmatch(text.strip())
    return None if match is None else int(float(match[1]) * _UNIT_BYTES[match[2].lower()])


def _number_and_unit(text: str) -> tuple[str, str]:
    match = _SIZE.fullmatch(text.strip())
    return ("", "") if match is None else (match[1], match[2].lower())


def _sensible(size: int) -> int:
    if not 0 < size <= MAX_BYTES:
        raise InvalidArgument(
            "a device has more than 0 bytes of memory and less than 2^60",
            field="accelerators",
            hint='say "24GiB"',
        )
    return size


def _system_memory(name: str, count: int) -> Accelerator | None:
    """ "64GiB RAM" or "RAM 64GiB": the host's own memory."""
    match = _SIZE.fullmatch(name)
    first = _RAM_FIRST.fullmatch(name)
    size = _bytes_of(name) if match and match[3] else _bytes_of(first[1]) if first else None
    if size is None:
        return None
    size = _sensible(size * count)
    return Accelerator(
        name="system memory",
        kind="cpu",
        total_bytes=size,
        free_bytes=size - min(_SYSTEM_BYTES, size // 4),
        total_basis="assumed",
        total_note="as given",
        evidence=(
            Evidence(fields=("free_bytes",), basis="assumed", source="room kept for the system"),
        ),
    )


def _kept_for_the_system(memory: Accelerator) -> str:
    total, free = memory.total_bytes or 0, memory.free_bytes or 0
    kept = (total - free) / (1 << 30)
    return (
        f"of {total / (1 << 30):.4g} GiB RAM {kept:.3g} GiB are kept for the operating system "
        "(assumed); a larger or smaller size says otherwise"
    )


def _plain_size(machine: Machine, name: str) -> Accelerator | None:
    size = _bytes_of(name)
    if size is None:
        return None
    _sensible(size)
    number, unit = _number_and_unit(name)
    if unit == "gb":
        machine.notes.append(
            f"{name} was read as {size / (1 << 30):.2f} GiB (decimal gigabytes); a card sold as "
            f"{number} GB has about {number} GiB: name the card, or write {number}GiB"
        )
    return Accelerator(
        name=name,
        total_bytes=size,
        free_bytes=size,
        total_basis="assumed",
        total_note="a size without a name: bandwidth and formats are not known",
        evidence=(Evidence(fields=("total_bytes",), basis="assumed", source="your argument"),),
    )


async def _looked_up(
    session: ProviderSession, name: str, machine: Machine
) -> tuple[str, Accelerator]:
    part = split_profile(name)
    if part is not None:
        name = part[0]
    wanted = _MEMORY_IN_NAME.search(name)
    request = LookupAccelerator(name=name, memory_gb=float(wanted[1]) if wanted else None)
    answer = await session.first_named(AcceleratorCatalogue, lambda p: p.lookup(request))
    if answer is None:
        raise await _unknown_device(session, name)
    provider, devices = answer
    device = devices[0] if part is None else as_slice(devices[0], part[1], part[2])
    sizes = sorted({d.marketing_gb for d in devices if d.marketing_gb})
    if wanted is None and len(sizes) > 1:
        shown = ", ".join(f"{size:g}" for size in sizes)
        machine.notes.append(
            f"{name} exists with {shown} GB; {device.name} was taken: add the size to the name"
        )
    if device.total_bytes is None:
        reason = next(
            (entry.reason for entry in device.unknown if entry.field == "total_bytes"),
            "no table has its memory size",
        )
        machine.unknown.append(Unknown(field=f"{device.name}.total_gib", reason=reason))
    free = device.total_bytes if device.free_bytes is None else device.free_bytes
    return provider, device.model_copy(update={"free_bytes": free})


def _plain(name: str) -> str:
    """The name without the words people leave out."""
    return _BRAND.sub("", name.lower()).strip()


async def _unknown_device(session: ProviderSession, name: str) -> UnknownAccelerator:
    tables = await session.all(AcceleratorCatalogue, lambda p: p.names())
    names: dict[str, str] = {}
    for device in (device for _, devices in tables for device in devices):
        first = _plain(device).partition(" ")[0]
        for spelling in (_plain(device), first):
            if any(character.isdigit() for character in spelling):
                names.setdefault(spelling, device)
    near = difflib.get_close_matches(_plain(name[:80]), names, n=4, cutoff=0.4)
    suggestions = tuple(dict.fromkeys(names[key] for key in near))
    refuse_undecided(
        session,
        AcceleratorCatalogue,
        subject=f"“{name[:60]}” is in no table that answered",
        field="accelerators",
        suggestions=suggestions,
    )
    hint = 'name a device such as "RTX 4090" or "H100 80GB", or give a size such as "24GiB"'
    if "," in name or " + " in name:
        hint = 'several devices of one machine are a list: ["RTX 4090", "64GiB RAM"]'
    return UnknownAccelerator(
        f"no table knows a device called “{name[:60]}”",
        field="accelerators",
        hint=hint,
        suggestions=suggestions,
    )
