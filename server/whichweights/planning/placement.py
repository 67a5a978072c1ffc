"""Which bytes lie on which device, and whether they fit there."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from whichweights.planning.buffers import BufferPart
from whichweights.planning.memory_types import DevicePlan, Verdict
from whichweights_schemas.accelerators import Accelerator

__all__ = [
    "Amount",
    "DeviceLoad",
    "LayerLoad",
    "judge",
    "least_room",
    "split_layers",
    "split_ranks",
]


class Amount(NamedTuple):
    """Bytes with the band they lie in."""

    bytes: int = 0
    low: int = 0
    high: int = 0

    def plus(self, other: Amount) -> Amount:
        """The sum of two amounts."""
        return Amount(self.bytes + other.bytes, self.low + other.low, self.high + other.high)

    def minus(self, other: Amount) -> Amount:
        """What is left of an amount when a part of it lies elsewhere."""
        return Amount(self.bytes - other.bytes, self.low - other.low, self.high - other.high)

    def share(self, index: int, of: int) -> Amount:
        """One of `of` shares that add up to the whole: the first ones hold the remainders."""
        return Amount(
            self.bytes // of + (index < self.bytes % of),
            self.low // of + (index < self.low % of),
            self.high // of + (index < self.high % of),
        )


@dataclass(frozen=True, slots=True)
class LayerLoad:
    """What moves with each layer, in order (bytes), and what stands outside the layers.

    `first` goes with the first layer on a device (embedding, vision tower), `last` with the head
    (MTP layers too), `host` always lies in system memory. `slack` is the band around all of it,
    spread in proportion. `experts` is the share of each layer that expert offload moves.
    """

    layers: tuple[int, ...]
    experts: tuple[int, ...]
    first: int
    last: int
    host: int
    slack: Amount
    host_slack: Amount

    @property
    def total(self) -> int:
        """All bytes placed by this load."""
        return sum(self.layers) + self.first + self.last + self.host


@dataclass(frozen=True, slots=True)
class DeviceLoad:
    """One device with what lies on it: inside the engine's own budget, and outside of it."""

    device: Accelerator | None
    budgeted: Amount
    outside: Amount
    layers: int | None

    @property
    def needed(self) -> Amount:
        """Everything on the device."""
        return self.budgeted.plus(self.outside)

    def room(self, budget_share: float | None, *, at_high: bool) -> int | None:
        """Bytes left, negative where it does not fit: in free memory and, where the engine has
        one, in its budget. None without known free memory."""
        device = self.device
        if device is None or device.free_bytes is None:
            return None
        budgeted, outside = self.budgeted, self.outside
        inside = budgeted.high if at_high else budgeted.bytes
        left = device.free_bytes - inside - (outside.high if at_high else outside.bytes)
        if budget_share is None or device.total_bytes is None or device.kind == "cpu":
            return left
        return min(left, int(budget_share * device.total_bytes) - inside)

    def plan(self, budget_share: float | None) -> DevicePlan:
        """The device as it stands in the answer."""
        device, needed = self.device, self.needed
        usable = device.free_bytes if device else None
        if usable is not None and budget_share and device and device.total_bytes:
            budget = int(budget_share * device.total_bytes) + self.outside.bytes
            usable = min(usable, budget)
        return DevicePlan(
            name=device.name if device else "system memory",
            kind=device.kind if device else "cpu",
            total_bytes=device.total_bytes if device else None,
            free_bytes=device.free_bytes if device else None,
            usable_bytes=usable,
            needed_bytes=needed.bytes,
            needed_low_bytes=needed.low,
            needed_high_bytes=needed.high,
            layers=self.layers,
        )


def _amounts(buffers: tuple[BufferPart, ...], with_head: bool) -> tuple[Amount, Amount]:
    """(activations, runtime) of one device."""
    inside = outside = Amount()
    for part in buffers:
        amount = Amount(*part.on(with_head))
        if part.group == "runtime":
            outside = outside.plus(amount)
        else:
            inside = inside.plus(amount)
    return inside, outside


def split_ranks(
    ranks: tuple[Accelerator, ...],
    shared: Amount,
    shares: tuple[int, ...],
    buffers: tuple[tuple[BufferPart, ...], ...],
    *,
    activations_outside: bool = False,
) -> tuple[DeviceLoad, ...]:
    """Ranks of a tensor- or pipeline-parallel group, in proportion to their shares.

    `activations_outside`: the engine's budget covers weights and cache only (SGLang).
    """
    found: list[DeviceLoad] = []
    total, reached, before = sum(shares), 0, Amount()
    amounts = {key: _amounts(parts, True) for key, parts in {id(p): p for p in buffers}.items()}
    for device, weight, parts in zip(ranks, shares, buffers, strict=True):
        inside, outside = amounts[id(parts)]
        reached += weight
        upto = Amount(
            shared.bytes * reached // total,
            shared.low * reached // total,
            shared.high * reached // total,
        )
        share, before = upto.minus(before), upto
        if activations_outside:
            outside = outside.plus(inside)
        else:
            share = share.plus(inside)
        found.append(DeviceLoad(device, share, outside, None))
    return tuple(found)


def _boundaries(devices: tuple[Accelerator, ...]) -> list[float]:
    """Cumulative shares of the devices by free memory, as llama.cpp splits by default."""
    free = [device.free_bytes or device.total_bytes or 0 for device in devices]
    if not all(free):
        free = [1] * len(devices)
    total = sum(free)
    return [size / total for size in accumulate(free)]


def split_layers(
    devices: tuple[Accelerator, ...],
    host: Accelerator | None,
    load: LayerLoad,
    buffers: tuple[tuple[BufferPart, ...], ...],
    gpu_layers: int,
    expert_layers_on_host: int = 0,
) -> tuple[DeviceLoad, ...]:
    """Whole layers by free memory; the first `layers - gpu_layers` stay in system memory.

    The experts of the first `expert_layers_on_host` MoE layers go to system memory as well. The
    head follows the last layer, unless some layers are in system memory: then it stays there.
    Rule: llama.cpp's load_tensors (cumulative share of free memory, layer by layer).
    """
    count = len(load.layers)
    on_host = count - gpu_layers
    sizes = [0] * (len(devices) + 1)
    layers = [0] * (len(devices) + 1)
    sizes[-1], layers[-1] = sum(load.layers[:on_host]), on_host
    kept = list(load.layers[on_host:])
    if expert_layers_on_host:
        routed = [(at, size) for at, size in enumerate(load.experts[on_host:]) if size]
        for at, size in routed[:expert_layers_on_host]:
            kept[at] -= size
            sizes[-1] += size
    if len(devices) == 1:
        sizes[0], layers[0] = sum(kept), gpu_layers
    else:
        bounds = _boundaries(devices)
        for index, size in enumerate(kept):
            place = bisect_right(bounds, index / (gpu_layers + 1))
            sizes[place] += size
            layers[place] += 1
    complete = gpu_layers == count
    sizes[0 if gpu_layers else -1] += load.first
    sizes[len(devices) - 1 if complete else -1] += load.last
    sizes[-1] += load.host
    return _loads(devices, host, sizes, layers, load, buffers)


def _loads(
    devices: tuple[Accelerator, ...],
    host: Accelerator | None,
    sizes: list[int],
    layers: list[int],
    load: LayerLoad,
    buffers: tuple[tuple[BufferPart, ...], ...],
) -> tuple[DeviceLoad, ...]:
    """Device loads from the bytes of each place; the band is shared out so that none is lost."""
    found: list[DeviceLoad] = []
    # What always lies in system memory takes no share of a band that the layers and cache have.
    total, reached, before = max(1, load.total - load.host), 0, Amount()
    for index, size in enumerate(sizes):
        reached += size - (load.host if index == len(devices) else 0)
        upto = Amount(0, load.slack.low * reached // total, load.slack.high * reached // total)
        slack, before = upto.minus(before), upto
        if index == len(devices):
            slack = slack.plus(load.host_slack)
        amount, outside = Amount(size, size - slack.low, size + slack.high), Amount()
        is_host = index == len(devices)
        if is_host and not size:
            continue
        if not is_host:
            inside, outside = _amounts(buffers[index], index == len(devices) - 1)
            amount = amount.plus(inside)
        device = host if is_host else devices[index]
        found.append(DeviceLoad(device, amount, outside, layers[index]))
    return tuple(found)


def _checked(loads: tuple[DeviceLoad, ...], offloaded: bool) -> list[DeviceLoad]:
    """Loads that a verdict looks at: system memory counts where something was moved there."""
    if offloaded or len(loads) == 1:
        return list(loads)
    return [load for load in loads if load.device is not None and load.device.kind != "cpu"]


def least_room(loads: tuple[DeviceLoad, ...], budget_share: float | None) -> int:
    """Bytes left at the high end on the fullest device, nothing offloaded: negative unless the
    verdict is "fits". Memory of unknown size leaves nothing."""
    rooms = [load.room(budget_share, at_high=True) for load in _checked(loads, offloaded=False)]
    return min((-1 if room is None else room for room in rooms), default=0)


def judge(loads: tuple[DeviceLoad, ...], budget_share: float | None, *, offloaded: bool) -> Verdict:
    """The verdict of a placement; `offloaded`: layers or experts were moved to system memory.

    System memory of unknown size is no obstacle to what an engine always keeps there.
    """
    checked = _checked(loads, offloaded)
    middle = [load.room(budget_share, at_high=False) for load in checked]
    if any(room is not None and room < 0 for room in middle):
        return "does_not_fit"
    if None in middle:
        return "unknown"
    high = [load.room(budget_share, at_high=True) for load in checked]
    all_high = all(room is not None and room >= 0 for room in high)
    if offloaded:
        return "fits_with_offload" if all_high else "does_not_fit"
    return "fits" if all_high else "tight"
