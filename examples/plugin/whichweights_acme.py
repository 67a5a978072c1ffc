"""Devices of the company's own machine room, from the configuration of whichweights.

[providers]
order = { accelerators = ["acme"] }     # ask us before the built-in table

[[providers.acme.devices]]
name = "Acme Rack A"
memory_gib = 44.5
bandwidth_gb_per_second = 864
measured = "2026-10-02"
"""

from collections.abc import Sequence
from datetime import date

from pydantic import BaseModel, ConfigDict, Field

from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.evidence import Evidence
from whichweights_schemas.providers import AcceleratorCatalogue, Settings
from whichweights_schemas.requests import LookupAccelerator


class Device(BaseModel):
    """One `[[providers.acme.devices]]` table; memory is what an engine can use of it."""

    model_config = ConfigDict(extra="forbid")

    name: str
    memory_gib: float = Field(gt=0)
    bandwidth_gb_per_second: float | None = Field(default=None, gt=0)
    measured: date


class AcmeSettings(Settings):
    """The section `[providers.acme]`."""

    devices: tuple[Device, ...] = ()


class AcmeDevices(AcceleratorCatalogue[AcmeSettings]):
    """Answers for the names in the section, and leaves all others to the next provider."""

    settings_model = AcmeSettings

    async def available(self) -> str | None:
        return None if self.settings.devices else "no devices are configured in [providers.acme]"

    async def status(self) -> dict[str, str]:
        return {"devices": str(len(self.settings.devices))}

    async def lookup(self, request: LookupAccelerator) -> Sequence[Accelerator]:
        wanted = request.name.casefold()
        return [_described(one) for one in self.settings.devices if one.name.casefold() == wanted]

    async def names(self) -> Sequence[str]:
        return [device.name for device in self.settings.devices]


def _described(device: Device) -> Accelerator:
    memory_bytes = round(device.memory_gib * 2**30)
    speed = device.bandwidth_gb_per_second
    return Accelerator(
        name=device.name,
        total_bytes=memory_bytes,
        free_bytes=memory_bytes,
        total_basis="published",
        memory_bandwidth_bytes_per_second=speed * 1e9 if speed else None,
        evidence=(
            Evidence(
                fields=("total_bytes", "memory_bandwidth_bytes_per_second"),
                basis="published",
                source="inventory of the machine room",
                date=device.measured.isoformat(),
            ),
        ),
    )
