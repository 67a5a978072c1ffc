"""MIG slices by name: "H100 80GB MIG 3g.40gb" is a part of a device the tables know."""

from __future__ import annotations

import re
from typing import Final

from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.errors import InvalidArgument
from whichweights_schemas.evidence import Evidence

__all__ = ["as_slice", "split_profile"]

_PROFILE: Final = re.compile(r"(.+?)\s*\bmig\b[\s-]*(\d)g\.(\d{1,3})gb", re.IGNORECASE)
_RESERVED_BYTES: Final = round(0.2 * 2**30)
"""What a slice lacks of its share of the memory: nvidia-smi shows 9.75, 19.62 and 39.5 GiB for
1g.10gb, 2g.20gb and 3g.40gb of an H100 with 79.25 GiB."""


def split_profile(name: str) -> tuple[str, str, int] | None:
    """(device, profile, GB of the slice) of such a name; None for a whole device."""
    match = _PROFILE.fullmatch(name.strip())
    if match is None:
        return None
    size = int(match[3])
    return match[1].strip(" ,"), f"{match[2]}g.{size}gb", size


def as_slice(device: Accelerator, profile: str, size_gb: int) -> Accelerator:
    """The slice of a device, with its share of memory and bandwidth.

    Raises InvalidArgument for a slice of a device that has none of this size.
    """
    whole, total = device.marketing_gb, device.total_bytes
    if not whole or not total or size_gb > whole:
        raise InvalidArgument(
            f"{device.name} has no slice {profile}",
            field="accelerators",
            hint='name a profile of the device, such as "H100 80GB MIG 3g.40gb"',
        )
    share = size_gb / whole
    size = round(total * share) - (_RESERVED_BYTES if share < 1 else 0)
    bandwidth = device.memory_bandwidth_bytes_per_second
    note = f"{profile} of {device.name}: its share of the memory less 0.2 GiB"
    return device.model_copy(
        update={
            "name": f"{device.name} MIG {profile}",
            "mig_profile": profile,
            "total_bytes": size,
            "free_bytes": size,
            "total_basis": "assumed",
            "total_note": note,
            "memory_bandwidth_bytes_per_second": bandwidth and bandwidth * share,
            "evidence": (
                Evidence(fields=("total_bytes",), basis="assumed", source="MIG profile", note=note),
            ),
        }
    )
