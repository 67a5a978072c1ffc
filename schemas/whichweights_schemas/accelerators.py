"""One device, or a slice of one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from whichweights_schemas._base import Shape
from whichweights_schemas.evidence import Basis, Evidence, Unknown

AcceleratorKind = Literal["gpu", "apple", "tpu", "cpu"]
"""gpu: a discrete or integrated GPU · apple: an Apple chip · tpu · cpu: the host's own memory."""


class DeviceProcess(Shape):
    """A process that holds memory of a device."""

    pid: int
    name: str | None = None
    used_bytes: int | None = Field(default=None, description="null where the driver does not tell")


class Accelerator(Shape):
    """A device as a table knows it, or as a driver reports it now.

    Memory is in bytes. `total_bytes` is what an engine can see when that is known, else what the
    driver reports, else the marketing size; `total_basis` and `total_note` say which.
    `free_bytes` equals `total_bytes` for a device nobody uses (a named one).
    """

    name: str
    kind: AcceleratorKind = "gpu"
    vendor: str | None = None
    architecture: str | None = None
    aliases: tuple[str, ...] = ()
    uuid: str | None = None
    index: int | None = None
    compute_capability: str | None = Field(default=None, description='NVIDIA, as "8.9"')
    gfx: str | None = Field(default=None, description='AMD, as "gfx942"')
    total_bytes: int | None = None
    total_basis: Basis = "published"
    total_note: str | None = None
    free_bytes: int | None = None
    used_bytes: int | None = None
    marketing_gb: float | None = None
    memory_options_gb: tuple[float, ...] = ()
    memory_type: str | None = None
    memory_bandwidth_bytes_per_second: float | None = None
    fp16_tflops: float | None = Field(default=None, description="dense, tensor cores")
    bf16: bool | None = None
    fp8: bool | None = None
    fp4: bool | None = None
    int8: str | None = None
    nvlink: bool | None = None
    unified_memory: bool | None = None
    tdp_watts: float | None = None
    driver_version: str | None = None
    utilization_percent: float | None = None
    processes: tuple[DeviceProcess, ...] | None = None
    mig_profile: str | None = None
    unverified: tuple[str, ...] = Field(default=(), description="Fields whose value nobody checked")
    notes: str | None = None
    unknown: tuple[Unknown, ...] = ()
    evidence: tuple[Evidence, ...] = ()


class DeviceReading(Shape):
    """What a GPU provider read: its devices, and a typed reason for everything it could not read.

    `memory` is the host's own memory as a device of kind `cpu`, when this provider reports it.
    """

    accelerators: tuple[Accelerator, ...] = ()
    memory: Accelerator | None = None
    unknown: tuple[Unknown, ...] = ()
    warnings: tuple[str, ...] = ()
