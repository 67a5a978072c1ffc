"""What the answer says of the cache: the need, what the engine sets aside, and what that holds."""

from __future__ import annotations

from whichweights.planning._ranks import Pool
from whichweights.planning._settings import RANK_ENGINES
from whichweights.planning.kv_cache import CacheBytes
from whichweights.planning.memory_types import CacheFigures, Settings

__all__ = ["cache_figures"]

_ALL_LEFT = "the engine sets aside all that its budget leaves, at any load"
_GROWS = "the cache grows with use; nothing is set aside"
_NO_FRACTION = "the pool follows from options.mem_fraction_static, which was not given"


def cache_figures(
    cache: CacheBytes, settings: Settings, growth: int | None, pool: Pool | None
) -> CacheFigures:
    """The figures of one plan; `growth` by one token, `pool` of an engine with a budget."""
    notes = [cache.note] if cache.note else []
    reserves: int | None = cache.allocated + cache.copies
    if settings.engine in RANK_ENGINES:
        reserves = pool.bytes if pool else None
        if pool is not None:
            notes.append(_ALL_LEFT)
        elif settings.gpu_memory_utilization is None:
            notes.append(_NO_FRACTION)
    elif settings.engine in ("transformers", "mlx"):
        reserves = None
        notes.append(_GROWS)
    return CacheFigures(
        bytes_per_token=growth,
        architecture_needs_bytes=cache.needs,
        engine_reserves_bytes=reserves,
        basis=cache.basis,
        note="; ".join(notes) or None,
        pool_tokens=pool.tokens if pool else None,
        pool_sequences=pool.sequences if pool else None,
    )
