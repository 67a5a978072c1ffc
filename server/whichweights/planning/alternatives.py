"""The cheapest changes that alter a verdict: what gives if it does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from whichweights.planning.choices import GGUF_LADDER, MLX_LADDER, VLLM_LADDER, Run, run_status
from whichweights.planning.formats import KV_TYPES, Status, decode_tag
from whichweights.planning.memory_types import MemoryPlan, Verdict
from whichweights.planning.more_devices import another
from whichweights.planning.running import (
    ChosenRun,
    PlannedRun,
    RunRequest,
    plan_run,
    with_options,
)
from whichweights_schemas.deployment import Engine, KvCacheType
from whichweights_schemas.models import ModelSpec

MOST = 3

_RANK: dict[Verdict, int] = {
    "unknown": 0,
    "does_not_fit": 0,
    "fits_with_offload": 1,
    "tight": 2,
    "fits": 3,
}
# A step below the common ladder; still a usable loss on large models (llama.cpp quantize README).
_BELOW = ("Q3_K_M", "IQ2_M")
_SHORTEST_CONTEXT = 2_048
_SMALLER_CACHE: dict[Engine, KvCacheType] = {
    "llama.cpp": "q8_0",
    "ollama": "q8_0",
    "vllm": "fp8",
    "sglang": "fp8",
}


def is_better(verdict: Verdict, than: Verdict) -> bool:
    """Whether one verdict serves a user better than another."""
    return _RANK[verdict] > _RANK[than]


def find_alternatives(
    spec: ModelSpec, request: RunRequest, chosen: ChosenRun
) -> tuple[tuple[str, MemoryPlan], ...]:
    """At most three changes with a better verdict, cheapest first; none when it fits."""
    current = chosen.chosen
    if current.plan.verdict in ("fits", "unknown"):
        return ()
    if current.plan.verdict == "fits_with_offload" and request.options.cpu_offload is None:
        # Only a plan without offload serves better: none needs to be looked for with it.
        request = with_options(request, cpu_offload="none")
    found: list[tuple[str, MemoryPlan]] = []
    for change, planned in _changes(spec, request, current):
        if is_better(planned.plan.verdict, current.plan.verdict):
            found.append((change, planned.plan))
        if len(found) == MOST:
            break
    return tuple(found)


def _changes(
    spec: ModelSpec, request: RunRequest, current: PlannedRun
) -> Iterator[tuple[str, PlannedRun]]:
    yield from _smaller_cache(spec, request, current)
    yield from _smaller_weights(spec, request, current)
    yield from _shorter_context(spec, request, current)
    yield from _offload(spec, request, current)
    yield from _more_devices(spec, request, current)


def _smaller_cache(
    spec: ModelSpec, request: RunRequest, current: PlannedRun
) -> Iterator[tuple[str, PlannedRun]]:
    smaller = _SMALLER_CACHE.get(current.run.engine)
    # llama.cpp refuses a quantized V cache without flash attention.
    if smaller == "q8_0" and current.plan.settings.flash_attention is False:
        return
    if smaller and current.deployment.kv_cache_type in ("f16", "bf16"):
        changed = replace(request, kv_cache_type=smaller)
        yield f"kv_cache_type={smaller}", plan_run(spec, changed, current.run)


def _ladder(engine: Engine) -> tuple[str, ...]:
    if engine == "mlx":
        return MLX_LADDER
    return VLLM_LADDER if engine in ("vllm", "sglang") else (*GGUF_LADDER, *_BELOW)


def _smaller_weights(
    spec: ModelSpec, request: RunRequest, current: PlannedRun
) -> Iterator[tuple[str, PlannedRun]]:
    """The first format that helps, from the next smaller one down."""
    bits = decode_tag(current.run.quantization).nominal_bits
    for name in _ladder(current.run.engine):
        run = Run(name, current.run.engine, "alternative")
        if decode_tag(name).nominal_bits >= bits:
            continue
        if run_status(run, request.accelerators) is Status.NO:
            continue
        planned = plan_run(spec, replace(request, quantization=name), run)
        if is_better(planned.plan.verdict, current.plan.verdict):
            yield f"quantization={name}", planned
            return


def _shorter_context(
    spec: ModelSpec, request: RunRequest, current: PlannedRun
) -> Iterator[tuple[str, PlannedRun]]:
    asked = current.deployment.context_tokens
    tokens = 1 << max(0, (asked - 1).bit_length() - 1)
    least = max(_SHORTEST_CONTEXT, request.options.prompt_tokens or 0)
    while least <= tokens < asked:
        planned = plan_run(spec, replace(request, context_tokens=tokens), current.run)
        if is_better(planned.plan.verdict, current.plan.verdict):
            yield f"context_tokens={tokens}", planned
            return
        tokens //= 2


def _offload(
    spec: ModelSpec, request: RunRequest, current: PlannedRun
) -> Iterator[tuple[str, PlannedRun]]:
    if current.run.engine in ("llama.cpp", "ollama") or request.engine is not None:
        return
    run = Run(GGUF_LADDER[-1], "llama.cpp", "alternative")
    if run_status(run, request.accelerators) is Status.NO:
        return
    if request.kv_cache_type and run.engine not in KV_TYPES[request.kv_cache_type].engines:
        return
    changed = replace(request, quantization=run.quantization, engine="llama.cpp")
    planned = plan_run(spec, changed, run)
    part = planned.plan.verdict == "fits_with_offload"
    where = " with part of the model in system memory" if part else ""
    yield f"engine=llama.cpp, quantization={run.quantization}{where}", planned


def _more_devices(
    spec: ModelSpec, request: RunRequest, current: PlannedRun
) -> Iterator[tuple[str, PlannedRun]]:
    gpus = [device for device in request.accelerators if device.kind == "gpu"]
    if not gpus:
        return
    for factor in (2, 4, 8):
        more = tuple(another(device) for device in gpus)
        changed = replace(request, accelerators=request.accelerators + more * (factor - 1))
        planned = plan_run(spec, changed, current.run)
        if planned.plan.verdict == "fits":
            alike = len({device.name for device in gpus}) == 1
            yield (
                f"accelerators={factor * len(gpus)}x {gpus[0].name}"
                if alike
                else f"{factor} times these devices",
                planned,
            )
            return
