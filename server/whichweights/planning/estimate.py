"""What estimate_vram says of one run, whatever the workload: plan, limits, speed, ways out."""

from __future__ import annotations

from dataclasses import dataclass

from whichweights.planning.alternatives import find_alternatives
from whichweights.planning.choices import Run
from whichweights.planning.limits import PlanLimits, find_limits
from whichweights.planning.memory_types import MemoryPlan
from whichweights.planning.rules_of_thumb import RuleFigure, rules_for_inference
from whichweights.planning.running import RunRequest, choose_run
from whichweights.planning.speed import SpeedEstimate, estimate_speed
from whichweights_schemas.deployment import Deployment
from whichweights_schemas.models import ModelSpec


@dataclass(frozen=True)
class Estimate:
    """One planned run with the answers to what follows from it.

    `alternatives`: at most three changes that alter the verdict. `training_switches`: the resolved
    recipe by option name; empty for inference.
    """

    run: Run
    deployment: Deployment
    plan: MemoryPlan
    limits: PlanLimits
    speed: SpeedEstimate
    rules: tuple[RuleFigure, ...]
    alternatives: tuple[tuple[str, MemoryPlan], ...]
    training_switches: dict[str, object]


def estimate(spec: ModelSpec, request: RunRequest) -> Estimate:
    """Choose, plan and question a run.

    Raises UnsupportedArchitecture, UnknownQuantization, InvalidArgument.
    """
    if request.workload != "inference":
        # Imported when asked for: the command line answers inference without it.
        from whichweights.planning.training.estimate import estimate_training

        return estimate_training(spec, request)
    chosen = choose_run(spec, request)
    planned = chosen.chosen
    return Estimate(
        run=planned.run,
        deployment=planned.deployment,
        plan=planned.plan,
        limits=find_limits(planned.planner),
        speed=estimate_speed(planned.planner, planned.plan),
        rules=rules_for_inference(spec, planned.plan),
        alternatives=find_alternatives(spec, request, chosen),
        training_switches={},
    )
