"""Memory of the runtime itself: what a framework's own peak counter does not see."""

from __future__ import annotations

from typing import Final

from whichweights.planning.buffers.facts import BufferPart
from whichweights_schemas.accelerators import Accelerator

__all__ = ["runtime_part"]

_MIB: Final = 2**20

_CUDA: Final = (450 * _MIB, 244 * _MIB, 800 * _MIB)
"""244 MiB (RTX 5070, llama-server), at least 457 MiB (ollama's reserve), 720 to 800 MiB (older
PyTorch contexts)."""

_METAL: Final = (500 * _MIB, 100 * _MIB, 1000 * _MIB)
"""933 MiB unaccounted on one M5; nothing else is published."""

_OTHER: Final = (450 * _MIB, 200 * _MIB, 1500 * _MIB)


def runtime_part(device: Accelerator | None) -> BufferPart | None:
    """The runtime's own memory on one device, in bytes; None where the CPU computes."""
    if device is None or device.kind == "cpu":
        return None
    vendor = (device.vendor or "").lower()
    if device.kind == "apple":
        name, figures, source = "Metal runtime", _METAL, "one public report (M5)"
    elif vendor in ("", "nvidia"):
        name, figures, source = (
            "CUDA context",
            _CUDA,
            "public llama-server, ollama, PyTorch reports",
        )
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
