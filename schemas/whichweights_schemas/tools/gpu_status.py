"""gpu_status: what this machine has, now."""

from __future__ import annotations

from pydantic import Field

from whichweights_schemas._base import Shape
from whichweights_schemas.accelerators import DeviceProcess
from whichweights_schemas.evidence import Basis
from whichweights_schemas.tools._common import ToolArguments, ToolResult
from whichweights_schemas.tools._forms import Names


class GpuStatusArguments(ToolArguments):
    """What devices are there, and how much of them is free?"""

    accelerators: Names = Field(
        default=("live",), description='"live", or names such as "2x RTX 4090" to look up'
    )


class DeviceStatus(Shape):
    """One device, or `count` equal named ones. Memory in GiB; null with a reason in `unknown`."""

    name: str
    count: int = 1
    kind: str
    index: int | None = None
    uuid: str | None = None
    vendor: str | None = None
    total_gib: float | None
    total_basis: Basis
    total_note: str | None = None
    used_gib: float | None
    free_gib: float | None
    memory_bandwidth_gb_s: float | None = None
    compute_capability: str | None = None
    architecture: str | None = None
    unified_memory: bool | None = None
    mig_profile: str | None = None
    driver_version: str | None = None
    utilization_percent: float | None = None
    processes: tuple[DeviceProcess, ...] | None = None
    formats: dict[str, str] = Field(
        default_factory=dict, description="Format → the engine to run it with, or no, or unknown"
    )
    source: str


class GpuStatusResult(ToolResult):
    """The answer of gpu_status."""

    devices: tuple[DeviceStatus, ...]
    system_memory: DeviceStatus | None
    read_at: str = Field(description="UTC, ISO 8601; the figures are of this moment")
