"""Which of the given devices a plan uses, and the host's own memory."""

from __future__ import annotations

from whichweights.planning._settings import RANK_ENGINES
from whichweights.planning.memory_types import DevicePlan, Settings
from whichweights.planning.placement import Amount, DeviceLoad
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.deployment import Deployment

__all__ = ["host_memory", "shares_system_memory", "unused_devices", "used_devices"]


def host_memory(deployment: Deployment) -> Accelerator | None:
    """The host's memory: given as such, or as the one device of a machine without a GPU."""
    given = [device for device in deployment.accelerators if device.kind == "cpu"]
    return given[0] if given else deployment.memory


def used_devices(
    accelerators: tuple[Accelerator, ...], settings: Settings
) -> tuple[Accelerator, ...]:
    """The devices a plan places on: all, or as many as there are ranks. A CPU is no device."""
    devices = tuple(device for device in accelerators if device.kind != "cpu")
    if settings.engine in RANK_ENGINES:
        return devices[: settings.tensor_parallel * settings.pipeline_parallel]
    return devices


def unused_devices(accelerators: tuple[Accelerator, ...], used: int) -> tuple[DevicePlan, ...]:
    """Devices beyond the ranks, with nothing on them."""
    devices = [device for device in accelerators if device.kind != "cpu"][used:]
    return tuple(DeviceLoad(device, Amount(), Amount(), 0).plan(None) for device in devices)


def shares_system_memory(device: Accelerator) -> bool:
    """True where the device has no memory of its own."""
    return device.kind == "apple" or bool(device.unified_memory)
