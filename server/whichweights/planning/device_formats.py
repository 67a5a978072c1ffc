"""Which formats a device can run, and with which engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from whichweights.planning.formats import AcceleratorTraits, Status, supports
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.deployment import Engine

# One name for each family a user chooses between.
_SHOWN = ("BF16", "FP8", "MXFP4", "NVFP4", "AWQ-Int4", "GPTQ-Int4", "Q4_K_M", "MLX-4bit")
_PREFERENCE: tuple[Engine, ...] = ("vllm", "llama.cpp", "mlx", "sglang", "transformers")
# vLLM reads GGUF, slower than the engine the format was made for.
_GGUF_PREFERENCE: tuple[Engine, ...] = ("llama.cpp", *_PREFERENCE)


def traits(device: Accelerator) -> AcceleratorTraits | None:
    """What decides support; None for a device of unknown maker (a bare size) or a TPU."""
    if device.kind == "cpu":
        return AcceleratorTraits(vendor=(device.vendor or "x86").lower(), kind="cpu")
    if device.vendor is None or device.kind == "tpu":
        return None
    return AcceleratorTraits(
        vendor=device.vendor.lower(),
        kind="apple" if device.kind == "apple" else "gpu",
        compute_capability=capability(device.compute_capability),
        gfx=device.gfx,
    )


def capability(text: str | None) -> tuple[int, int] | None:
    """ "8.9" as (8, 9)."""
    if not text:
        return None
    major, _, minor = text.partition(".")
    return (int(major), int(minor or 0)) if major.isdigit() else None


_COMPUTED_FROM: Final[dict[str, tuple[int, int]]] = {
    **dict.fromkeys(("FP8", "FP8-dynamic", "FP8-block"), (8, 9)),
    **dict.fromkeys(("NVFP4", "MXFP4", "MXFP8"), (10, 0)),
}
"""Smallest compute capability whose tensor cores take the format itself; below, kernels convert
the weights to 16 bits first (vLLM documentation; capability_note of the layouts)."""


def computes_in(name: str, devices: Sequence[Accelerator]) -> bool:
    """Whether every device multiplies in this format; False where its capability is not known."""
    least = _COMPUTED_FROM.get(name)
    if least is None or not devices:
        return False
    return all((capability(device.compute_capability) or (0, 0)) >= least for device in devices)


def runnable_formats(device: Accelerator) -> dict[str, str]:
    """Format → the engine that runs it, "no", or "unknown"."""
    known = traits(device)
    if known is None:
        return {}
    return {name: _best_engine(name, known) for name in _SHOWN}


def _best_engine(name: str, device: AcceleratorTraits) -> str:
    engines = _GGUF_PREFERENCE if name == "Q4_K_M" else _PREFERENCE
    answers = {engine: supports(engine, name, device).status for engine in engines}
    for wanted in (Status.YES, Status.PARTIAL):
        for engine, status in answers.items():
            if status is wanted:
                return engine if wanted is Status.YES else f"{engine} (partly)"
    return "unknown" if Status.UNKNOWN in answers.values() else "no"
