"""What gives when no format of a model fits a machine, each way with the plan it leads to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from whichweights.planning._settings import OFFLOAD_ENGINES
from whichweights.planning.memory_types import MemoryPlan
from whichweights.planning.more_devices import another
from whichweights.planning.quantize import (
    FormatOption,
    FormatPlans,
    Quality,
    is_balanced,
    on_devices_alone,
    rank,
)
from whichweights.planning.running import PlannedRun, RunRequest, choose_run, plan_run
from whichweights.planning.speed import estimate_speed
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.deployment import Engine, KvCacheType
from whichweights_schemas.errors import CallerError
from whichweights_schemas.evidence import Band
from whichweights_schemas.models import ModelSpec

__all__ = ["WayOut", "fitting_sibling", "ways_out"]

_SHORTEST_CONTEXT: Final = 512
_SMALLER_CACHE: Final[dict[Engine, KvCacheType]] = {
    "llama.cpp": "q8_0",
    "ollama": "q8_0",
    "vllm": "fp8",
    "sglang": "fp8",
}
_PLENTY_BYTES: Final = 1 << 50
_FACTORS: Final = (2, 4, 8)


@dataclass(frozen=True, slots=True)
class WayOut:
    """A change in words, and the plan it leads to. `host_bytes`: system memory it needs, where
    that is more than what is known to be there. `decode`: tokens per second of an offload."""

    change: str
    plan: MemoryPlan
    host_bytes: int | None = None
    decode: Band | None = None


def ways_out(
    spec: ModelSpec, request: RunRequest, plans: FormatPlans, quality: Quality
) -> tuple[WayOut, ...]:
    """The smallest format and what it takes, a shorter context, a smaller cache, offload, more
    devices.

    Only changes that lead to a plan that runs, but for the first. Where something fits, the
    offload alone, and only to reach the loss that `balanced` accepts. Empty when nothing was
    planned.
    """
    if not plans.options:
        return ()
    if plans.ranked:
        return _to_balance(spec, request, plans, quality)
    smallest = min(plans.options, key=lambda option: option.plan.total)
    return tuple(_ways(spec, request, plans, quality, smallest))


def _to_balance(
    spec: ModelSpec, request: RunRequest, plans: FormatPlans, quality: Quality
) -> tuple[WayOut, ...]:
    if quality != "balanced" or is_balanced(plans.ranked[0]):
        return ()
    offloaded = _offload(spec, request, plans, quality)
    return () if offloaded is None else (offloaded,)


def _ways(
    spec: ModelSpec,
    request: RunRequest,
    plans: FormatPlans,
    quality: Quality,
    smallest: FormatOption,
) -> Iterator[WayOut]:
    run = smallest.planned.run
    if smallest.plan.verdict == "does_not_fit":
        yield WayOut(f"{run.quantization} is the smallest planned", smallest.plan)
    alone = on_devices_alone(request)
    context = _longest_context(smallest.planned)
    if context is not None:
        changed = plan_run(spec, replace(alone, context_tokens=context), run)
        yield WayOut(f"context_tokens={context} with {run.quantization}", changed.plan)
    cache = _SMALLER_CACHE.get(run.engine)
    if cache is not None and request.kv_cache_type is None:
        changed = plan_run(spec, replace(alone, kv_cache_type=cache), run)
        if _runs(changed.plan):
            yield WayOut(f"KV cache in {cache} with {run.quantization}", changed.plan)
    offloaded = _offload(spec, request, plans, quality)
    if offloaded is not None:
        yield offloaded
    more = _more_devices(spec, alone, plans, quality)
    if more is not None:
        yield more


def _more_devices(
    spec: ModelSpec, request: RunRequest, plans: FormatPlans, quality: Quality
) -> WayOut | None:
    """The fewest copies of the same devices on which the preferred format fits, up to eight."""
    devices = request.accelerators
    if not devices or any(device.kind != "gpu" for device in devices):
        return None
    run = rank(plans.options, quality)[0].planned.run
    empty = tuple(another(device) for device in devices)
    for factor in _FACTORS:
        more = replace(request, accelerators=devices + empty * (factor - 1))
        try:
            plan = plan_run(spec, more, run).plan
        except CallerError:
            continue
        if plan.verdict == "fits":
            alike = len({device.name for device in devices}) == 1
            count = factor * len(devices)
            which = f"{count}x {devices[0].name}" if alike else f"{factor} times these devices"
            return WayOut(f"{run.quantization} on {which}", plan)
    return None


def _runs(plan: MemoryPlan) -> bool:
    return plan.verdict in ("fits", "tight")


def _longest_context(planned: PlannedRun) -> int | None:
    """The longest context at which this run fits; None when not even a short one does."""
    low, high = _SHORTEST_CONTEXT, planned.deployment.context_tokens
    if high <= low or planned.planner.place(context_tokens=low).verdict != "fits":
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if planned.planner.place(context_tokens=middle).verdict == "fits":
            low = middle
        else:
            high = middle
    return low


def _offload(
    spec: ModelSpec, request: RunRequest, plans: FormatPlans, quality: Quality
) -> WayOut | None:
    """The best format, else the smallest, that runs with a part in system memory; where that is
    unknown or too small, with as much of it as the best takes."""
    could = [option for option in plans.options if option.planned.run.engine in OFFLOAD_ENGINES]
    if not could or not any(device.kind == "gpu" for device in request.accelerators):
        return None
    runs = [option.planned.run for option in rank(could, quality)]
    smallest = min(could, key=lambda option: option.plan.total).planned.run
    if request.memory is not None:
        for run in (runs[0], smallest):
            planned = plan_run(spec, request, run)
            if planned.plan.verdict == "fits_with_offload":
                return _offloaded(planned)
    plenty = Accelerator(
        name="system memory", kind="cpu", total_bytes=_PLENTY_BYTES, free_bytes=_PLENTY_BYTES
    )
    planned = plan_run(spec, replace(request, memory=plenty), runs[0])
    if planned.plan.verdict != "fits_with_offload":
        return None
    devices = planned.plan.devices
    host = sum(device.needed_high_bytes for device in devices if device.kind == "cpu")
    return _offloaded(planned, host)


def _offloaded(planned: PlannedRun, host_bytes: int | None = None) -> WayOut:
    words = _offload_words(planned.run.quantization, planned.plan)
    decode = estimate_speed(planned.planner, planned.plan).decode
    return WayOut(words, planned.plan, host_bytes, decode)


def _offload_words(name: str, plan: MemoryPlan) -> str:
    if plan.expert_layers_on_host:
        return f"{name} with the experts of {plan.expert_layers_on_host} layers in system memory"
    if plan.layers and plan.layers_on_devices:
        return f"{name} with {plan.layers_on_devices} of {plan.layers} layers on the device"
    return f"{name} with the weights in system memory"


def fitting_sibling(spec: ModelSpec, request: RunRequest) -> PlannedRun | None:
    """The run `auto` chooses for another model of the family; None when that does not fit."""
    chosen = choose_run(spec, on_devices_alone(request)).chosen
    return chosen if _runs(chosen.plan) else None
