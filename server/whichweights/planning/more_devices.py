"""Another device like one that is there: what a machine with more of them would have."""

from __future__ import annotations

from whichweights_schemas.accelerators import Accelerator


def another(device: Accelerator) -> Accelerator:
    """The same device once more, and empty: a live one counts with all it has."""
    free = device.total_bytes if device.uuid else device.free_bytes
    return device.model_copy(update={"uuid": None, "free_bytes": free})
