"""The best run of a model that fits a machine, without planning formats that cannot."""

from __future__ import annotations

from whichweights.planning.running import PlannedRun, RunRequest, plan_run, runs_for
from whichweights.planning.screening import floor_bytes, room_bytes
from whichweights_schemas.models import ModelSpec

__all__ = ["best_run"]


def best_run(spec: ModelSpec, request: RunRequest) -> PlannedRun:
    """The run that `choose_run` chooses: the first that fits, else the first tight, else the last.

    Formats whose weights alone exceed the free memory are skipped. Raises as `plan_run`.
    """
    room = room_bytes(request.accelerators, request.memory)
    runs = runs_for(spec, request)
    tight: PlannedRun | None = None
    last: PlannedRun | None = None
    for place, run in enumerate(runs):
        least = floor_bytes(spec, run.quantization)
        too_large = room is not None and least is not None and least > room
        if too_large and (place < len(runs) - 1 or tight is not None):
            continue
        last = plan_run(spec, request, run)
        if last.plan.verdict == "fits":
            return last
        if last.plan.verdict == "tight" and tight is None:
            tight = last
    chosen = tight or last
    assert chosen is not None  # candidate_runs never comes back empty, and the last is planned
    return chosen
