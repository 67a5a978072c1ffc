"""What to say when no candidate fits: what the smallest needs, and which change would help."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from whichweights.planning.fitting import best_run
from whichweights.planning.running import PlannedRun, RunRequest
from whichweights_schemas.errors import CallerError
from whichweights_schemas.models import ModelSpec
from whichweights_schemas.tools.recommend_model import Rejection

__all__ = ["ways_out"]

_GIB = 1 << 30
_SHORT_CONTEXT = 2_048
_TRIED = 3


def ways_out(
    suited: Sequence[ModelSpec],
    request: RunRequest,
    free_bytes: int | None,
    offloaded: Sequence[tuple[ModelSpec, PlannedRun]],
    rejected: Sequence[Rejection],
) -> tuple[str, ...]:
    """Sentences with figures. `suited`: models that meet every condition but the memory;
    `offloaded`: those of them that fit with a part in system memory, best first."""
    if not suited:
        reasons = "; ".join(f"{row.reason} ({row.count})" for row in rejected[:3])
        return (f"No model meets the conditions: {reasons}. Relax one of them.",)
    if free_bytes is None:
        return ("The free memory is not known: name a device or give a size such as 24GiB.",)
    return tuple(_sentences(suited, request, free_bytes, offloaded))


def _sentences(
    suited: Sequence[ModelSpec],
    request: RunRequest,
    free_bytes: int,
    offloaded: Sequence[tuple[ModelSpec, PlannedRun]],
) -> Iterator[str]:
    smallest = sorted(suited, key=lambda spec: (spec.parameters.total or 0, spec.id))[:_TRIED]
    planned = [(spec, run) for spec in smallest if (run := _plan(spec, request))]
    if planned:
        spec, run = min(planned, key=lambda pair: pair[1].plan.total)
        context = run.deployment.context_tokens
        yield (
            f"The least demanding, {spec.id}, needs {_gib(run.plan.high)} as "
            f"{run.run.quantization} at {context:,} tokens; {_gib(free_bytes)} are free: a device "
            f"with {_gib(run.plan.high)} free runs it."
        )
        if context > _SHORT_CONTEXT:
            shorter = _plan(spec, replace(request, context_tokens=_SHORT_CONTEXT))
            if shorter and shorter.plan.verdict in ("fits", "tight"):
                yield f"At {_SHORT_CONTEXT:,} tokens it needs {_gib(shorter.plan.total)} and fits."
    if offloaded:
        spec, run = offloaded[0]
        yield (
            f"{spec.id} as {run.run.quantization} fits with a part in system memory "
            f"({_gib(run.plan.total)} in all), slowly."
        )


def _plan(spec: ModelSpec, request: RunRequest) -> PlannedRun | None:
    try:
        return best_run(spec, request)
    except CallerError:
        return None


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f} GiB"
