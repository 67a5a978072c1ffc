"""The largest context, load and share of layers that still fit, found with the high end."""

from __future__ import annotations

from dataclasses import dataclass

from whichweights.planning._edge import last_with_room
from whichweights.planning.inference import InferencePlanner
from whichweights_schemas.deployment import Engine

__all__ = ["PlanLimits", "find_limits"]

_CELLS: dict[Engine, int] = {"llama.cpp": 256, "ollama": 256, "mlx": 256, "vllm": 16}
"""Tokens by which an engine's cache grows."""

_MOST_SEQUENCES = 100_000
_MOST_TOKENS = 100_000_000
"""Largest values the arguments take."""


@dataclass(frozen=True, slots=True)
class PlanLimits:
    """Largest values that fit entirely on the devices; None is unknown, with the reason beside it.

    0 means that not even the smallest value fits. `capped_by_window`: memory would allow a longer
    context than the model has. `gpu_layers` counts whole layers (llama.cpp and ollama only).
    """

    max_context_tokens: int | None
    max_concurrent_sequences: int | None
    gpu_layers: int | None
    capped_by_window: bool
    reasons: tuple[tuple[str, str], ...]


def find_limits(planner: InferencePlanner) -> PlanLimits:
    """Search over the plan itself: `high` must fit on every device, nothing is offloaded.

    One token or sequence more does not fit (or is beyond the model's window).
    """
    settings, spec = planner.settings, planner.spec
    if planner.place().verdict == "unknown":
        reason = "the free memory of a device is not known"
        fields = ("max_context_tokens", "max_concurrent_sequences", "gpu_layers")
        return PlanLimits(None, None, None, False, tuple((field, reason) for field in fields))
    window = spec.max_context_tokens
    most = max(window or _MOST_TOKENS, 1)

    step = _CELLS.get(settings.engine, 1)
    context = last_with_room(lambda tokens: planner.room_left(context_tokens=tokens), most, step)
    sequences = last_with_room(lambda count: planner.room_left(sequences=count), _MOST_SEQUENCES)
    layers, reason = _gpu_layers(planner)
    reasons = (("gpu_layers", reason),) if reason else ()
    capped = window is not None and context == window
    if settings.context_tokens > most:
        capped = False
    return PlanLimits(context, sequences, layers, capped, reasons)


def _gpu_layers(planner: InferencePlanner) -> tuple[int | None, str]:
    """Whole layers that fit on the devices at this context, the rest in system memory."""
    if planner.settings.engine not in ("llama.cpp", "ollama"):
        return None, f"{planner.settings.engine} does not keep single layers in system memory"
    if not planner.devices:
        return 0, ""
    if not planner.weights.layers_known:
        return None, "the number of layers of this model is not known"
    if planner.device_room(planner.layers) >= 0:
        return planner.layers, ""
    # The head lies with the last layer: the whole model is a step beyond all but one layer.
    return last_with_room(planner.device_room, planner.layers - 1), ""
