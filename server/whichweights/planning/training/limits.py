"""The longest sequence and the largest micro batch that still fit, found with the high end."""

from __future__ import annotations

from typing import Final

from whichweights.planning._edge import last_with_room
from whichweights.planning.limits import PlanLimits
from whichweights.planning.training.plan import TrainingPlanner

__all__ = ["find_training_limits"]

_MOST_SEQUENCES: Final = 100_000
_MOST_TOKENS: Final = 100_000_000
"""Largest values the arguments take."""


def find_training_limits(planner: TrainingPlanner) -> PlanLimits:
    """Search over the plan itself: `high` must fit on every device.

    `max_context_tokens` is the longest training sequence, `max_concurrent_sequences` the largest
    micro batch per device; one more does not fit (or is beyond the model's window).
    """
    layers = ("gpu_layers", "training keeps no single layers in system memory")
    if planner.place().verdict == "unknown":
        reason = "the free memory of a device is not known"
        fields = ("max_context_tokens", "max_concurrent_sequences")
        return PlanLimits(None, None, None, False, (*((name, reason) for name in fields), layers))
    window = planner.spec.max_context_tokens
    most = max(window or _MOST_TOKENS, 1)
    length = last_with_room(lambda tokens: planner.room_left(sequence_length=tokens), most)
    batch = last_with_room(lambda count: planner.room_left(micro_batch=count), _MOST_SEQUENCES)
    return PlanLimits(length, batch, None, window is not None and length == window, (layers,))
