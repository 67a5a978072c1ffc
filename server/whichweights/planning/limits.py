"""The largest context, load and share of layers that still fit, found with the high end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from whichweights.planning.inference import InferencePlanner

__all__ = ["PlanLimits", "find_limits"]

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


def _largest(fits: Callable[[int], bool], most: int) -> int:
    """The largest value that fits, 0 if 1 does not; `fits` must not turn true again."""
    if not fits(1):
        return 0
    low, step = 1, 1
    while low + step <= most and fits(low + step):
        low += step
        step *= 2
    return _between(fits, low, min(low + step, most + 1))


def _between(fits: Callable[[int], bool], low: int, high: int) -> int:
    """The largest value that fits, where `low` does (or stands for none) and `high` does not."""
    while high - low > 1:
        middle = (low + high) // 2
        if fits(middle):
            low = middle
        else:
            high = middle
    return low


def find_limits(planner: InferencePlanner) -> PlanLimits:
    """Bisection over the plan itself: `high` must fit on every device, nothing is offloaded.

    One token or sequence more does not fit (or is beyond the model's window).
    """
    settings, spec = planner.settings, planner.spec
    if planner.place().verdict == "unknown":
        reason = "the free memory of a device is not known"
        fields = ("max_context_tokens", "max_concurrent_sequences", "gpu_layers")
        return PlanLimits(None, None, None, False, tuple((field, reason) for field in fields))
    window = spec.max_context_tokens
    most = max(window or _MOST_TOKENS, 1)

    def context_fits(tokens: int) -> bool:
        return planner.place(context_tokens=tokens).verdict == "fits"

    def sequences_fit(count: int) -> bool:
        return planner.place(sequences=count).verdict == "fits"

    context = most if context_fits(most) else _between(context_fits, 0, most)
    sequences = _largest(sequences_fit, _MOST_SEQUENCES)
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
    fitting = [count for count in (0, planner.layers) if planner.fits_devices(count)]
    if planner.layers in fitting:
        return planner.layers, ""
    if not fitting:
        return 0, ""
    return _between(planner.fits_devices, 0, planner.layers), ""
