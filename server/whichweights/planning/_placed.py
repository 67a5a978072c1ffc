"""One placement tried, and how much room it leaves."""

from __future__ import annotations

from dataclasses import dataclass

from whichweights.planning._ranks import Pool
from whichweights.planning.kv_cache import CacheBytes
from whichweights.planning.memory_types import Part, Settings, Verdict
from whichweights.planning.placement import DeviceLoad, least_room

__all__ = ["Placed"]


@dataclass(frozen=True, slots=True)
class Placed:
    """One placement tried: the parts, the loads they make, and what the verdict would be."""

    settings: Settings
    parts: tuple[Part, ...]
    loads: tuple[DeviceLoad, ...]
    cache: CacheBytes
    gpu_layers: int
    expert_layers: int
    verdict: Verdict
    pool: Pool | None

    @property
    def least_room(self) -> int:
        """Bytes left at the high end, nothing offloaded; negative unless the verdict is "fits"."""
        return least_room(self.loads, self.settings.gpu_memory_utilization)

    @property
    def device_room(self) -> int:
        """Bytes left at the high end on the fullest accelerator; negative if not known."""
        share = self.settings.gpu_memory_utilization
        rooms = (
            load.room(share, at_high=True)
            for load in self.loads
            if load.device is not None and load.device.kind != "cpu"
        )
        return min((-1 if room is None else room for room in rooms), default=0)
