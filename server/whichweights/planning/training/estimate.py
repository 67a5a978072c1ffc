"""estimate_vram for a training workload: the recipe's plan, and what gives if it does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace

from whichweights.planning.alternatives import MOST, is_better
from whichweights.planning.choices import Run, candidate_runs
from whichweights.planning.estimate import Estimate
from whichweights.planning.memory_types import MemoryPlan
from whichweights.planning.more_devices import another
from whichweights.planning.rules_of_thumb import rules_for_training
from whichweights.planning.running import RunRequest, deployment_of
from whichweights.planning.speed import SpeedEstimate
from whichweights.planning.training.limits import find_training_limits
from whichweights.planning.training.plan import TrainingPlanner
from whichweights_schemas.deployment import TrainingOptions
from whichweights_schemas.models import ModelSpec

_SHORTEST_SEQUENCE = 512
_NO_SPEED = "training speed is not estimated"
_SPEEDS = ("decode_tokens_per_second", "prefill_tokens_per_second", "time_to_first_token_s")


def estimate_training(spec: ModelSpec, request: RunRequest) -> Estimate:
    """Plan one training run.

    Raises UnsupportedArchitecture, UnknownQuantization, InvalidArgument.
    """
    run, planner = _planned(spec, request)
    plan = planner.plan()
    sixteen_bit = plan.group_bytes("weights") if request.workload != "qlora" else _native(planner)
    return Estimate(
        run=run,
        deployment=planner.deployment,
        plan=plan,
        limits=find_training_limits(planner),
        speed=_no_speed(),
        rules=rules_for_training(spec, sixteen_bit, plan.total),
        alternatives=_alternatives(spec, request, planner, plan),
        training_switches=_switches(planner),
    )


def _planned(spec: ModelSpec, request: RunRequest) -> tuple[Run, TrainingPlanner]:
    run = candidate_runs(
        spec,
        quantization=request.quantization,
        engine=request.engine,
        workload=request.workload,
        devices=request.accelerators,
    )[0]
    return run, TrainingPlanner(spec, deployment_of(spec, request, run))


def _native(planner: TrainingPlanner) -> int:
    """Bytes of the model in 16 bits: what the rules of thumb call its size."""
    total = planner.spec.parameters.language or planner.spec.parameters.total or 0
    return 2 * total


def _no_speed() -> SpeedEstimate:
    reasons = tuple((f"speed.{name}", _NO_SPEED) for name in _SPEEDS)
    return SpeedEstimate(None, None, None, None, "", reasons)


def _switches(planner: TrainingPlanner) -> dict[str, object]:
    named = {field.name for field in fields(planner.recipe)} & set(TrainingOptions.model_fields)
    shown = {name: getattr(planner.recipe, name) for name in sorted(named)}
    return {"recipe": planner.recipe.trainer, **shown}


def _alternatives(
    spec: ModelSpec, request: RunRequest, planner: TrainingPlanner, plan: MemoryPlan
) -> tuple[tuple[str, MemoryPlan], ...]:
    if plan.verdict in ("fits", "unknown"):
        return ()
    found: dict[str, tuple[str, MemoryPlan]] = {}
    for change, changed in _changes(request, planner):
        kind = change.partition("=")[0]
        if kind in found:
            continue  # the gentlest change of its kind is enough
        other = _planned(spec, changed)[1].plan()
        if is_better(other.verdict, plan.verdict):
            found[kind] = (change, other)
        if len(found) == MOST:
            break
    return tuple(found.values())


def _changes(request: RunRequest, planner: TrainingPlanner) -> Iterator[tuple[str, RunRequest]]:
    """Cheapest first: switches of the recipe, shorter samples, a lighter method, more devices."""
    recipe = planner.recipe
    if not recipe.gradient_checkpointing:
        yield "gradient_checkpointing=true", _with(request, gradient_checkpointing=True)
    if not recipe.chunked_loss:
        yield "chunked_loss=true", _with(request, chunked_loss=True)
    if recipe.optimizer == "adamw":
        yield "optimizer=adamw_8bit", _with(request, optimizer="adamw_8bit")
    if recipe.micro_batch > 1:
        yield "micro_batch=1", _with(request, micro_batch=1)
    length = recipe.sequence_length // 2
    while length >= _SHORTEST_SEQUENCE:
        yield f"sequence_length={length}", _with(request, sequence_length=length)
        length //= 2
    if request.workload == "full_finetune":
        yield "workload=lora", replace(request, workload="lora", quantization="auto")
    if request.workload != "qlora":
        yield "workload=qlora", replace(request, workload="qlora", quantization="auto")
    yield from _more_devices(request)


def _with(request: RunRequest, **changes: object) -> RunRequest:
    return replace(request, training=request.training.model_copy(update=changes))


def _more_devices(request: RunRequest) -> Iterator[tuple[str, RunRequest]]:
    gpus = [device for device in request.accelerators if device.kind == "gpu"]
    for factor in (2, 4, 8) if gpus else ():
        more = tuple(another(device) for device in gpus)
        accelerators = request.accelerators + more * (factor - 1)
        yield f"{factor * len(gpus)}x {gpus[0].name}", replace(request, accelerators=accelerators)
