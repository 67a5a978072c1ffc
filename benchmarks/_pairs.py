"""A measured quantity beside the planned one, and what simple rules would have said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whichweights.planning.inference import plan_inference
from whichweights.planning.kv_cache import cache_rows
from whichweights.planning.memory_types import Group, MemoryPlan
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.deployment import (
    Deployment,
    Engine,
    EngineOptions,
    KvCacheType,
    TrainingOptions,
)
from whichweights_schemas.models import ModelSpec

MIB = 2**20
GIB = 2**30
_ROOMY = 2**44
"""Bytes of a pretended device: where things lie must not depend on whether they fit."""

_PRINTED = 0.001
"""Logs print two decimals: a figure this close to an exact one is the same figure."""


@dataclass(frozen=True)
class Rules:
    """Bytes (or tokens) that simple rules give for the same quantity; None where one is silent.

    `times_1_2`: weights x 1.2. `hf_mem`: exact weights and every layer's cache in full.
    `accelerate`: parameters x the nominal bits of the format.
    """

    times_1_2: float | None = None
    hf_mem: float | None = None
    accelerate: float | None = None


@dataclass(frozen=True)
class Pair:
    """A measured quantity beside the planned one, in bytes (or tokens)."""

    quantity: str
    measured: float
    planned: float
    low: float
    high: float
    rules: Rules = Rules()

    @property
    def error(self) -> float:
        """Planned against measured, in percent."""
        return 100 * (self.planned / self.measured - 1)

    @property
    def in_band(self) -> bool:
        """Whether the measured value lies in the planned band, as far as it was printed."""
        slack = _PRINTED * self.measured
        return self.low - slack <= self.measured <= self.high + slack


class Unplannable(Exception):
    """The case states something no deployment can; the text is the reason."""


def plan_case(
    spec: ModelSpec,
    engine: Engine,
    quantization: str,
    context: int,
    *,
    sequences: int = 1,
    kv: KvCacheType = "f16",
    options: dict[str, Any] | None = None,
    devices: tuple[Accelerator, ...] = (),
    memory: Accelerator | None = None,
    adapter_rank: int | None = None,
) -> MemoryPlan:
    """The plan of a deployment; options that a case does not state are left out."""
    given = {name: value for name, value in (options or {}).items() if value is not None}
    deployment = Deployment(
        engine=engine,
        quantization=quantization,
        context_tokens=context,
        concurrent_sequences=sequences,
        kv_cache_type=kv,
        options=EngineOptions(**given),
        accelerators=devices,
        memory=memory,
        training=TrainingOptions(lora_rank=adapter_rank),
    )
    return plan_inference(spec, deployment)


def roomy_devices(count: int, size: int = _ROOMY) -> tuple[Accelerator, ...]:
    """So many equal devices, pretended to hold anything unless a size is given."""
    device = Accelerator(name="device", vendor="nvidia", total_bytes=size, free_bytes=size)
    return (device,) * count


def roomy_host() -> Accelerator:
    """System memory that holds anything."""
    return Accelerator(name="RAM", kind="cpu", total_bytes=_ROOMY, free_bytes=_ROOMY)


def group(plan: MemoryPlan, *groups: Group) -> tuple[int, int, int]:
    """(bytes, low, high) of all parts of the groups."""
    parts = [part for part in plan.parts if part.group in groups]
    return (
        sum(part.bytes for part in parts),
        sum(part.low for part in parts),
        sum(part.high for part in parts),
    )


def simple_rules(
    spec: ModelSpec, plan: MemoryPlan, quantization: str, *, with_cache: bool = True
) -> Rules:
    """What the rules say of the whole; `with_cache`: the measured quantity holds the cache."""
    weights = plan.group_bytes("weights")
    bits = nominal_bits(quantization)
    parameters = spec.parameters.total or spec.parameters.language
    return Rules(
        times_1_2=1.2 * weights,
        hf_mem=weights + (_full_cache(spec, plan) if with_cache else 0),
        accelerate=parameters * bits / 8 if parameters and bits else None,
    )


def _full_cache(spec: ModelSpec, plan: MemoryPlan) -> int:
    settings = plan.settings
    rows = cache_rows(spec) or ()
    per_token = sum(2 * row.layers * (row.keys + row.values) for row in rows if not row.constant)
    return per_token * settings.context_tokens * settings.concurrent_sequences


def nominal_bits(tag: str) -> int | None:
    """The bits a format's name promises: 16 of BF16, 4 of Q4_K_M, NF4 and AWQ-Int4."""
    digits = [character for character in tag if character.isdigit()]
    if not digits:
        return None
    return 16 if tag in ("BF16", "F16") else 32 if tag == "F32" else int(digits[0])
