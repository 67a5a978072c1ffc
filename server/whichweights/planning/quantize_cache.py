"""The KV cache of a plan by element type: what each saves, whether it fits, what it lets in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from typing import Final

from whichweights.planning.formats import KV_TYPES
from whichweights.planning.memory_types import MemoryPlan
from whichweights.planning.quantize import (
    FormatOption,
    FormatPlans,
    Quality,
    on_devices_alone,
    rank,
)
from whichweights.planning.running import RunRequest, plan_run
from whichweights_schemas.deployment import Engine, KvCacheType
from whichweights_schemas.models import ModelSpec

__all__ = ["CacheChoice", "cache_choices"]

_SHOWN: Final = 2
_WORTH_NAMING: Final = 20
_SMALLER: Final[dict[Engine, tuple[KvCacheType, ...]]] = {
    "llama.cpp": ("q8_0", "q4_0"),
    "ollama": ("q8_0", "q4_0"),
    "vllm": ("fp8",),
    "sglang": ("fp8",),
}
_OPTIONS: Final[dict[Engine, str]] = {
    "llama.cpp": "-ctk {0} -ctv {0} -fa on",
    "ollama": "OLLAMA_FLASH_ATTENTION=1 OLLAMA_KV_CACHE_TYPE={0}",
    "vllm": "--kv-cache-dtype {0}",
    "sglang": "--kv-cache-dtype {0}_e4m3",
}
"""Documentation of the engines; vLLM's parser in the 0.33.0 wheel. 2026-11-27."""


@dataclass(frozen=True, slots=True)
class CacheChoice:
    """One element type for the cache of one plan. `options`: how its engine is told, "" for what
    it does anyway. `lets_fit`: preferred formats that fit with this type only, best first."""

    kind: str
    cache_bytes: int
    plan: MemoryPlan
    engines: tuple[str, ...]
    options: str = ""
    lets_fit: tuple[str, ...] = ()


def cache_choices(
    spec: ModelSpec,
    request: RunRequest,
    plans: FormatPlans,
    option: FormatOption,
    quality: Quality,
    *,
    every: bool = False,
) -> tuple[CacheChoice, ...]:
    """The plan's own cache type first, then the smaller ones of its engine that change what fits;
    where none does, the next smaller one, if it saves a twentieth of the total. `every` names all.
    Empty where the cache is not known or has no bytes."""
    own = option.plan.settings.kv_cache_type
    size = option.plan.group_bytes("kv_cache")
    if not size:
        return ()
    alone = on_devices_alone(request)
    engine = option.planned.run.engine
    found = [CacheChoice(own, size, option.plan, KV_TYPES[own].engines)]
    for kind in _SMALLER.get(engine, ()):
        changed = replace(alone, kv_cache_type=kind)
        plan = plan_run(spec, changed, option.planned.run).plan
        smaller = plan.group_bytes("kv_cache")
        if kind != own and smaller and smaller < size:
            options = _OPTIONS[engine].format(kind)
            near = _nearly_fitting(plans, engine, size - smaller)
            preferred = rank((option, *near), quality)
            names = _fitting(spec, changed, preferred[: preferred.index(option)])
            found.append(CacheChoice(kind, smaller, plan, KV_TYPES[kind].engines, options, names))
    own, *smaller = found
    if every:
        return tuple(found)
    if smaller and not _changes(own, smaller[0]):
        saved = own.cache_bytes - smaller[0].cache_bytes
        return (own, *smaller[:1]) if saved * _WORTH_NAMING >= own.plan.total else (own,)
    return (own, *(new for old, new in pairwise(found) if _changes(old, new)))


def _changes(old: CacheChoice, new: CacheChoice) -> bool:
    """Whether a smaller type does more than the one before it."""
    return new.plan.verdict != old.plan.verdict or new.lets_fit != old.lets_fit


def _nearly_fitting(
    plans: FormatPlans, engine: Engine, saved_bytes: int
) -> tuple[FormatOption, ...]:
    """Formats of this engine left out for want of at most what the cache saves, twice over for
    the band."""
    options = (left.option for left in plans.left_out)
    return tuple(
        option
        for option in options
        if option is not None
        and option.planned.run.engine == engine
        and (short := option.headroom_bytes) is not None
        and short + 2 * saved_bytes > 0
    )


def _fitting(
    spec: ModelSpec, request: RunRequest, options: Sequence[FormatOption]
) -> tuple[str, ...]:
    planned = (plan_run(spec, request, option.planned.run) for option in options)
    names = (run.run.quantization for run in planned if run.plan.verdict == "fits")
    return tuple(islice(names, _SHOWN))
