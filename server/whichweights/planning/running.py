"""One way to run a model, chosen and planned: the step every tool that speaks of fit shares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from whichweights.planning.choices import Run, candidate_runs
from whichweights.planning.formats import KV_TYPES, default_kv_type, kv_type
from whichweights.planning.inference import InferencePlanner
from whichweights.planning.memory_types import MemoryPlan
from whichweights.planning.parallelism import with_ranks
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.deployment import (
    Deployment,
    Engine,
    EngineOptions,
    KvCacheType,
    TrainingOptions,
    Workload,
)
from whichweights_schemas.models import ModelSpec

DEFAULT_CONTEXT_TOKENS = 8_192


@dataclass(frozen=True)
class RunRequest:
    """What is wanted of a run. None = `auto`, the default that serves a newcomer."""

    accelerators: tuple[Accelerator, ...]
    memory: Accelerator | None
    quantization: str = "auto"
    engine: Engine | None = None
    workload: Workload = "inference"
    context_tokens: int | None = None
    concurrent_sequences: int = 1
    kv_cache_type: KvCacheType | None = None
    options: EngineOptions = field(default_factory=EngineOptions)
    training: TrainingOptions = field(default_factory=TrainingOptions)


@dataclass(frozen=True)
class PlannedRun:
    """A run with the deployment it means and the plan that follows; `planner` answers further
    questions about it (limits, speed)."""

    run: Run
    deployment: Deployment
    plan: MemoryPlan
    planner: InferencePlanner


@dataclass(frozen=True)
class ChosenRun:
    """The run that was chosen, and every run that was planned on the way, best quality first."""

    chosen: PlannedRun
    tried: tuple[PlannedRun, ...]

    @property
    def native(self) -> PlannedRun | None:
        """The run in the model's own format, where it was tried and not chosen."""
        first = self.tried[0]
        return first if first is not self.chosen else None


def default_context(spec: ModelSpec, context_tokens: int | None) -> int:
    """The asked context, else the smaller of 8,192 and the model's window."""
    if context_tokens is not None:
        return context_tokens
    return min(DEFAULT_CONTEXT_TOKENS, spec.max_context_tokens or DEFAULT_CONTEXT_TOKENS)


def deployment_of(spec: ModelSpec, request: RunRequest, run: Run) -> Deployment:
    """The deployment a run means for a model.

    Raises InvalidArgument for ranks or a KV cache type that the engine does not take.
    """
    asked = request.kv_cache_type
    kv = kv_type(asked, run.engine) if asked else default_kv_type(run.engine)
    return Deployment.model_construct(
        engine=run.engine,
        workload=request.workload,
        quantization=run.quantization,
        context_tokens=default_context(spec, request.context_tokens),
        concurrent_sequences=request.concurrent_sequences,
        kv_cache_type=kv.name,
        options=with_ranks(spec, run.engine, request.options, len(request.accelerators)),
        training=request.training,
        accelerators=request.accelerators,
        memory=request.memory,
    )


def plan_run(spec: ModelSpec, request: RunRequest, run: Run) -> PlannedRun:
    """Plan one run. Raises UnsupportedArchitecture, UnknownQuantization, InvalidArgument."""
    deployment = deployment_of(spec, request, run)
    planner = InferencePlanner(spec, deployment)
    return PlannedRun(run, deployment, planner.plan(), planner)


def planned_runs(spec: ModelSpec, request: RunRequest) -> Iterator[PlannedRun]:
    """Every run worth trying, best quality first, planned as they are asked for."""
    for run in runs_for(spec, request):
        yield plan_run(spec, request, run)


def runs_for(spec: ModelSpec, request: RunRequest) -> tuple[Run, ...]:
    """The runs worth trying for this request, best quality first.

    Engines without the asked KV cache type are left out, unless no other is left.
    """
    runs = candidate_runs(
        spec,
        quantization=request.quantization,
        engine=request.engine,
        workload=request.workload,
        devices=request.accelerators,
    )
    asked = request.kv_cache_type
    able = [run for run in runs if asked is None or run.engine in KV_TYPES[asked].engines]
    return tuple(able) or runs


def choose_run(spec: ModelSpec, request: RunRequest) -> ChosenRun:
    """The native format if it fits, else the best common format that does, else the last one.

    Whoever asks for offload is served by a run that fits with it.
    """
    options = request.options
    offload = options.cpu_offload in ("layers", "experts") or options.gpu_layers is not None
    served = ("fits", "fits_with_offload") if offload else ("fits",)
    tried: list[PlannedRun] = []
    for planned in planned_runs(spec, request):
        tried.append(planned)
        if planned.plan.verdict in served:
            return ChosenRun(planned, tuple(tried))
    tight = next((p for p in tried if p.plan.verdict == "tight"), None)
    return ChosenRun(tight or tried[-1], tuple(tried))


def with_options(request: RunRequest, **changes: object) -> RunRequest:
    """The request with other engine options."""
    return replace(request, options=request.options.model_copy(update=changes))
