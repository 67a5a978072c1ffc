"""Single-stream speed from bandwidth, as a band, where public measurements support one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from whichweights.planning.inference import InferencePlanner
from whichweights.planning.memory_types import MemoryPlan
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.evidence import Band, Basis
from whichweights_schemas.models import ExpertsFeedForward

__all__ = ["SpeedEstimate", "estimate_speed"]

_ENGINES: Final = frozenset({"llama.cpp", "ollama", "mlx"})
_NO_ENGINE: Final = "no trustworthy single-stream measurement of {engine} is published"
_NO_PREFILL: Final = "prefill is bound by compute; no measurements support a figure"
_SOURCE: Final = (
    "t = bytes / (e x bandwidth) + c, fitted to 159 public llama.cpp measurements (2023-2026)"
)


@dataclass(frozen=True, slots=True)
class _Class:
    """Efficiency and fixed seconds per token of a class of devices, and its band."""

    name: str
    efficiency: float
    seconds: float
    low: float = 0.72
    high: float = 1.25


_APPLE: Final = _Class("Apple", 0.90, 5.7e-3)
_GDDR: Final = _Class("NVIDIA GDDR", 0.81, 1.1e-3)
_HBM: Final = _Class("NVIDIA HBM", 0.47, 1.5e-3, 0.6, 1.6)
_GB10: Final = _Class("GB10", 0.80, 0.0, 0.6, 1.2)
_RDNA: Final = _Class("AMD Radeon", 0.75, 0.0, 0.6, 1.25)
_STRIX: Final = _Class("Strix Halo", 0.78, 0.0, 0.7, 1.2)
_ARC: Final = _Class("Intel Arc", 0.48, 0.0, 0.6, 1.4)
"""Apple, NVIDIA GDDR and HBM: in-sample fits, median errors 4 %, 6 % and (5 rows) unknown. The
others are one measured-over-roofline factor each, which includes the fixed cost."""

_MOE: Final = (0.6, 1.25)
"""Extra factors for MoE: predicted over measured 0.83-1.37, and builds alone moved one device
from 35 to 59 tokens/s."""

_HOST_BYTES_PER_SECOND: Final = (60e9, 25e9, 100e9)
"""Assumed for system memory of unknown speed: two channels DDR4 to fast DDR5."""


@dataclass(frozen=True, slots=True)
class SpeedEstimate:
    """Tokens per second of one stream, or why there is no figure."""

    decode: Band | None
    prefill: Band | None
    first_token_s: Band | None
    basis: Basis | None
    source: str
    reasons: tuple[tuple[str, str], ...]


def _no_speed(reason: str) -> SpeedEstimate:
    reasons = (
        ("speed.decode_tokens_per_second", reason),
        ("speed.prefill_tokens_per_second", _NO_PREFILL),
        ("speed.time_to_first_token_s", _NO_PREFILL),
    )
    return SpeedEstimate(None, None, None, None, _SOURCE, reasons)


def _class_of(device: Accelerator) -> _Class | None:
    """The class of a device by vendor, memory and name; None where nothing was measured."""
    vendor, memory = (device.vendor or "").lower(), (device.memory_type or "").upper()
    if device.kind == "apple":
        return _APPLE
    if vendor == "nvidia":
        if device.unified_memory or "GB10" in device.name:
            return _GB10
        return _HBM if "HBM" in memory else _GDDR if "GDDR" in memory else None
    if vendor == "amd" and "HBM" not in memory:
        return _STRIX if device.unified_memory else _RDNA
    if vendor == "intel" and device.kind == "gpu":
        return _ARC
    return None


def estimate_speed(planner: InferencePlanner, plan: MemoryPlan) -> SpeedEstimate:
    """Decode speed of one stream at half the context, tokens per second, with its band.

    Formula: t = bytes read / (e x bandwidth) + c, summed over the devices a token passes. Bytes =
    active weights (experts a token passes only) + the mean cache. Sources: llama.cpp discussions
    4167, 15013, 10879, 15396 and others.
    """
    if planner.spec.kind == "encoder":
        return _no_speed("an encoder generates no tokens")
    if plan.settings.engine not in _ENGINES:
        return _no_speed(_NO_ENGINE.format(engine=plan.settings.engine))
    if plan.verdict in ("does_not_fit", "unknown"):
        return _no_speed(f"no speed for a plan whose verdict is {plan.verdict}")
    if not planner.devices:
        return _no_speed("decode on a CPU was not measured widely enough")
    seconds = _seconds_per_token(planner, plan)
    if isinstance(seconds, str):
        return _no_speed(seconds)
    value, fast, slow = seconds
    moe = any(isinstance(block.feed_forward, ExpertsFeedForward) for block in planner.spec.blocks)
    low, high = _MOE if moe else (1.0, 1.0)
    band = Band(value=1 / value, low=low / slow, high=high / fast)
    reasons = (
        ("speed.prefill_tokens_per_second", _NO_PREFILL),
        ("speed.time_to_first_token_s", _NO_PREFILL),
    )
    offloaded = plan.verdict == "fits_with_offload"
    return SpeedEstimate(band, None, None, "assumed" if offloaded else "fitted", _SOURCE, reasons)


def _seconds_per_token(
    planner: InferencePlanner, plan: MemoryPlan
) -> tuple[float, float, float] | str:
    """(seconds, least, most) of one token, or the reason why it is not known."""
    read = _bytes_read(planner, plan)
    on_host = _host_share(planner, plan)
    value = fast = slow = 0.0
    shares = _device_shares(planner, plan)
    for index, (device, share) in enumerate(zip(planner.devices, shares, strict=True)):
        kind = _class_of(device)
        if kind is None:
            return f"no measurements for devices like {device.name}"
        bandwidth = device.memory_bandwidth_bytes_per_second
        if not bandwidth:
            return f"the memory bandwidth of {device.name} is not known"
        # The fixed cost is paid once per token, on the first device.
        fixed = kind.seconds if index == 0 else 0.0
        time = read * (1 - on_host) * share / (kind.efficiency * bandwidth) + fixed
        value, fast, slow = value + time, fast + time / kind.high, slow + time / kind.low
    if on_host:
        memory = planner.memory
        known = memory.memory_bandwidth_bytes_per_second if memory else None
        speeds = (0.7 * known, 0.4 * known, known) if known else _HOST_BYTES_PER_SECOND
        times = [read * on_host / speed for speed in speeds]
        value, slow, fast = value + times[0], slow + times[1], fast + times[2]
    return value, fast, slow


def _bytes_read(planner: InferencePlanner, plan: MemoryPlan) -> float:
    """Bytes one token reads: active weights, the head, and half the cache of one sequence."""
    weights = planner.weights
    head = weights.head + (weights.embedding if weights.tied else 0)
    cache = plan.group_bytes("kv_cache") + plan.group_bytes("recurrent_state")
    return weights.active_layers + head + cache / (2 * plan.settings.concurrent_sequences)


def _host_share(planner: InferencePlanner, plan: MemoryPlan) -> float:
    """Share of the bytes a token reads that lies in system memory."""
    if plan.expert_layers_on_host and planner.moe_layers:
        weights = planner.weights
        routed = sum(weights.experts)
        idle = sum(weights.layers) - weights.active_layers
        active = max(0, routed - idle)
        moved = active * plan.expert_layers_on_host / planner.moe_layers
        return min(1.0, moved / max(1.0, _bytes_read(planner, plan)))
    on_devices = plan.layers_on_devices or 0
    return 1 - on_devices / planner.layers if planner.layers else 0.0


def _device_shares(planner: InferencePlanner, plan: MemoryPlan) -> list[float]:
    """Shares of the device bytes by device, in the proportion of the layers they hold."""
    layers = [device.layers or 0 for device in plan.devices if device.kind != "cpu"]
    total = sum(layers)
    if not total:
        return [1 / len(planner.devices)] * len(planner.devices)
    return [count / total for count in layers[: len(planner.devices)]]
