"""Memory of the runtime itself: what a framework's own peak counter does not see."""

from __future__ import annotations

from typing import Final

from whichweights.planning.buffers.facts import BufferPart
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.deployment import Engine

__all__ = ["runtime_part"]

_MIB: Final = 2**20

_CUDA: Final = (450 * _MIB, 244 * _MIB, 800 * _MIB)
"""244 MiB (RTX 5070, llama-server), at least 457 MiB (ollama's reserve)."""

_TORCH: Final = (700 * _MIB, 450 * _MIB, 850 * _MIB)
"""529 MiB for a bare context, 693 once a matrix was multiplied, 697 to 777 in 81 runs (H100, driver
580, torch 2.11, transformers 5.17, 2026-11-27: the driver's used without its own 480 and torch's
reserved); 720 to 800 MiB in forum reports of older PyTorch."""

_ON_TORCH: Final = frozenset({"transformers", "vllm", "sglang"})

_METAL: Final = (500 * _MIB, 100 * _MIB, 1000 * _MIB)
"""933 MiB unaccounted on one M5; nothing else is published."""

_OTHER: Final = (450 * _MIB, 200 * _MIB, 1500 * _MIB)


def runtime_part(device: Accelerator | None, engine: Engine) -> BufferPart | None:
    """The runtime's own memory on one device, in bytes; None where the CPU computes."""
    if device is None or device.kind == "cpu":
        return None
    vendor = (device.vendor or "").lower()
    if device.kind == "apple":
        name, figures, source = "Metal runtime", _METAL, "one public report (M5)"
    elif vendor in ("", "nvidia"):
        name = "CUDA context"
        figures, source = _CUDA, "public llama-server and ollama reports"
        if engine in _ON_TORCH:
            figures, source = _TORCH, "measured with transformers on an H100, 2026-11-27"
    else:
        name, figures, source = "GPU runtime", _OTHER, "assumed after CUDA's"
    return BufferPart(
        name,
        "runtime",
        *figures,
        "assumed" if name != "CUDA context" else "fitted",
        source,
        "not in the framework's own peak counter",
    )
