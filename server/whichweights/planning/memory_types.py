"""The shapes a memory plan is made of: whole bytes, no rounding, no pydantic."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from whichweights_schemas.accelerators import AcceleratorKind
from whichweights_schemas.deployment import CpuOffload, Engine, KvCacheType
from whichweights_schemas.evidence import Basis

__all__ = [
    "Assumption",
    "CacheFigures",
    "DevicePlan",
    "Group",
    "MemoryPlan",
    "Part",
    "Settings",
    "Verdict",
]

Group = Literal[
    "weights",
    "kv_cache",
    "recurrent_state",
    "activations",
    "gradients",
    "optimizer",
    "runtime",
]

Verdict = Literal["fits", "tight", "fits_with_offload", "does_not_fit", "unknown"]


@dataclass(frozen=True, slots=True)
class Part:
    """One line of the sum, over all devices. `host`: it lies in system memory by the engine's rule.

    `low` and `high` bound the bytes in at least 90 % of cases; both equal `bytes` when exact.
    """

    name: str
    group: Group
    bytes: int
    low: int
    high: int
    basis: Basis
    source: str
    note: str | None = None
    host: bool = False

    def plus(self, other: Part) -> Part:
        """The same line with another's bytes."""
        size, low, high = self.bytes + other.bytes, self.low + other.low, self.high + other.high
        return replace(self, bytes=size, low=low, high=high)


@dataclass(frozen=True, slots=True)
class Assumption:
    """A setting nobody confirmed, or where one group of figures comes from."""

    field: str
    basis: Basis
    source: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class CacheFigures:
    """What the cache of this workload needs, beside what the engine sets aside for it.

    `bytes_per_token` is the growth by one more token of one sequence at this context, all layers,
    before any copies on several devices. None is unknown; `note` has the reason. `pool_tokens` is
    what an engine's pool holds, `pool_sequences` how many sequences of this context at once.
    """

    bytes_per_token: int | None
    architecture_needs_bytes: int | None
    engine_reserves_bytes: int | None
    basis: Basis
    note: str | None = None
    pool_tokens: int | None = None
    pool_sequences: float | None = None


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """What lies on one device. `usable_bytes` is what the engine may take of `free_bytes`.

    `layers` counts whole layers of the model; None where layers are cut across devices.
    """

    name: str
    kind: AcceleratorKind
    total_bytes: int | None
    free_bytes: int | None
    usable_bytes: int | None
    needed_bytes: int
    needed_low_bytes: int
    needed_high_bytes: int
    layers: int | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """A deployment with every default resolved. Fields that an engine lacks are None."""

    engine: Engine
    engine_version: str | None
    kv_cache_type: KvCacheType
    context_tokens: int
    concurrent_sequences: int
    prompt_tokens: int
    flash_attention: bool | None
    ubatch_tokens: int | None
    max_batched_tokens: int | None
    max_num_seqs: int | None
    gpu_memory_utilization: float | None
    tensor_parallel: int
    pipeline_parallel: int
    cpu_offload: CpuOffload
    gpu_layers: int | None
    full_window_cache: bool
    load_vision: bool
    load_mtp: bool


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """The whole answer: parts that add up to `total`, where they lie, and whether that fits.

    `layers_on_devices` is what ended up on the accelerators (of `layers`), `expert_layers_on_host`
    how many MoE layers keep their experts in system memory.
    """

    settings: Settings
    parts: tuple[Part, ...]
    total: int
    low: int
    high: int
    cache: CacheFigures
    devices: tuple[DevicePlan, ...]
    verdict: Verdict
    layers: int | None
    layers_on_devices: int | None
    expert_layers_on_host: int
    warnings: tuple[str, ...]
    assumptions: tuple[Assumption, ...]

    def group_bytes(self, group: Group) -> int:
        """Bytes of all parts of one group."""
        return sum(part.bytes for part in self.parts if part.group == group)
