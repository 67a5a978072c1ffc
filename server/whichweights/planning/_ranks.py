"""What engines with ranks (vLLM, SGLang) do to the bytes: copies, stages, the pool left over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from whichweights.planning._weight_plan import WeightPlan
from whichweights.planning.kv_cache import VLLM_BLOCK_TOKENS
from whichweights.planning.memory_types import Part, Settings
from whichweights.planning.placement import DeviceLoad, LayerLoad
from whichweights_schemas.attention import (
    ChunkedAttention,
    CrossAttention,
    FullAttention,
    LatentAttention,
    SlidingAttention,
)
from whichweights_schemas.models import ModelSpec

__all__ = ["COPIES", "ROTARY_TABLE", "Pool", "pool_of", "rank_parts", "rank_shares", "stage_sizes"]


COPIES: Final = "weight copies and rotary tables"
ROTARY_TABLE: Final = "rotary table"


@dataclass(frozen=True, slots=True)
class Pool:
    """What an engine's budget leaves for the cache: bytes over all ranks, and what they hold."""

    bytes: int
    tokens: int | None
    sequences: float | None


def rank_parts(spec: ModelSpec, weights: WeightPlan, settings: Settings) -> tuple[Part, ...]:
    """Weights that several ranks hold, and the table of rotary angles; bytes over all ranks.

    Norms, routers and MLA's down-projections are whole on every rank of a tensor-parallel group,
    KV projections where there are fewer heads than ranks; with pipeline stages a tied embedding
    stands on the first and on the last. The table: 2 B x window x rotated width, which makes up
    the 32 MiB between 15,349.8 MiB that vLLM prints for Llama-3.1-8B and its weights.
    """
    ranks, stages = settings.tensor_parallel, settings.pipeline_parallel
    copies = weights.copies(ranks)
    if stages > 1 and weights.tied:
        copies += weights.embedding
    table = _rotary_table(spec) * ranks * stages if settings.engine == "vllm" else 0
    size = copies + table
    if not size:
        return ()
    note = "whole on every rank: norms, routers, down-projections, KV heads" if copies else None
    name = COPIES if copies else ROTARY_TABLE
    source = "layout of vLLM's ranks"
    return (Part(name, "weights", size, size, size, "computed", source, note),)


def _rotary_table(spec: ModelSpec) -> int:
    """Bytes of cos and sin of every position, 16-bit; one table serves all layers of a kind."""
    widths: set[int] = set()
    for block in spec.blocks:
        attention = block.attention
        if isinstance(attention, LatentAttention):
            widths.add(attention.rope_head_dim)
        elif isinstance(
            attention, FullAttention | SlidingAttention | ChunkedAttention | CrossAttention
        ):
            widths.add(attention.head_dim)
    return 2 * (spec.max_context_tokens or 0) * max(widths, default=0)


def stage_sizes(layers: tuple[int, ...], first: int, last: int, stages: int) -> tuple[int, ...]:
    """Bytes of each pipeline stage: equal numbers of layers, what is over from the back, the last
    stage excepted (vllm/distributed/utils.py, get_pp_indices)."""
    counts = [len(layers) // stages] * stages
    for index in range(len(layers) % stages):
        counts[max(0, stages - 2 - index)] += 1
    found: list[int] = []
    start = 0
    for count in counts:
        found.append(sum(layers[start : start + count]))
        start += count
    found[0] += first
    found[-1] += last
    return tuple(found)


def rank_shares(settings: Settings, load: LayerLoad | None, tied_copy: int) -> tuple[int, ...]:
    """What each rank holds in proportion; equal where the layers are not known."""
    stages, ranks = settings.pipeline_parallel, settings.tensor_parallel
    if load is None or stages == 1 or len(load.layers) < stages:
        return (1,) * (stages * ranks)
    sizes = stage_sizes(load.layers, load.first, load.last + tied_copy, stages)
    if not any(sizes):  # an encoder caches nothing anywhere
        return (1,) * (stages * ranks)
    return tuple(size for size in sizes for _ in range(ranks))


def pool_of(
    settings: Settings, loads: tuple[DeviceLoad, ...], held: int, shares: tuple[int, ...]
) -> Pool | None:
    """What the budget leaves for the cache; None without a budget or with unknown devices.

    `held`: bytes that the cache and state of the plan take over all ranks, `shares` how the ranks
    divide them. The rank that holds the fewest sequences decides (vLLM takes the least number of
    pages over its ranks).
    """
    budget, sequences = settings.gpu_memory_utilization, settings.concurrent_sequences
    total = sum(shares)
    rooms: list[int] = []
    for load, share in zip(loads, shares, strict=True):
        if budget is None or load.device is None or load.device.total_bytes is None:
            return None
        own = held * share // total
        rooms.append(max(0, int(budget * load.device.total_bytes) - load.budgeted.bytes + own))
    if not held:
        return Pool(sum(rooms), None, None)
    ratio = min(
        room * total / (held * share) for room, share in zip(rooms, shares, strict=True) if share
    )
    pages = -(-settings.context_tokens // VLLM_BLOCK_TOKENS)
    tokens = int(ratio * sequences * pages) * VLLM_BLOCK_TOKENS
    return Pool(int(ratio * held), tokens, ratio * sequences)
