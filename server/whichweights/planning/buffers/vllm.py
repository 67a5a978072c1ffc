"""What vLLM takes beside weights and cache, by version."""

from __future__ import annotations

from typing import Final

from whichweights.planning.buffers.facts import BufferFacts, BufferPart, gib_band, spread
from whichweights.planning.engine_versions import (
    VLLM_LEAN_SAMPLER,
    VLLM_MORE_NON_TORCH,
    VLLM_V1,
    before,
)
from whichweights.planning.memory_types import Settings

__all__ = ["vllm_buffers"]

_GIB: Final = 2**30
_PLANNER: Final = "fit to llm-d-planner's published vLLM runs (H100) and public vLLM logs"

_BASE_GIB: Final = 0.286
_LEAN_BYTES: Final = 14.2
_WIDE_BYTES: Final = 38.6
"""Bytes per vocabulary entry and sequence of the sampler's warm-up: 0.17-0.19 (30 models, R2 0.97,
mean error 8.9 %) and 0.11-0.16 (Llama-8B 4.76 GiB, Qwen 5.6)."""

_PIPELINE: Final = 0.58
"""PP=2 lowers Llama-8B from 1.89 to 1.10 GiB."""

_BAND: Final = (0.78, 1.2)
_MOE_BAND: Final = (0.8, 1.75)
_EARLY_BAND: Final = (0.15, 2.7)
"""Before 0.11 logs spread from 0.22 to 3.0 GiB on one model: a band, not a figure."""

_NON_TORCH: Final = {
    # (0.18 or newer, several tensor ranks): GiB, low, high
    (False, False): (0.13, 0.01, 0.48),
    (True, False): (0.25, 0.1, 0.5),
    (False, True): (0.55, 0.09, 0.8),
    (True, True): (2.1, 1.2, 2.4),
}
_NON_TORCH_PIPELINE: Final = (0.07, 0.02, 0.3)
_NON_TORCH_AMD: Final = (6.07, 1.0, 6.5)
_GRAPHS: Final = (0.4, 0.1, 1.9)
"""CUDA graphs: 0.17 to 1.9 GiB in public logs; older versions size the cache without them."""


def vllm_buffers(
    facts: BufferFacts, settings: Settings, amd: bool = False
) -> tuple[BufferPart, ...]:
    """Activation peak, non-torch memory and CUDA graphs of one rank, in bytes.

    The peak follows the vocabulary and the number of sequences of the warm-up, not the model's
    size: 0.286 GiB + 14.2 B x max_num_seqs x V since 0.17, 38.6 B x max_num_seqs x V before.
    """
    version = settings.engine_version
    logits = facts.vocabulary * (settings.max_num_seqs or 256)
    early = before(version, VLLM_V1)
    if before(version, VLLM_LEAN_SAMPLER):
        peak = _WIDE_BYTES * logits
    else:
        peak = _BASE_GIB * _GIB + _LEAN_BYTES * logits
    # One layer's gate and up projections of a whole batch must fit too (bf16, cut by TP).
    batch = settings.max_batched_tokens or 2048
    peak = max(peak, 2.0 * batch * (2 * facts.width + 4 * facts.hidden) / settings.tensor_parallel)
    if settings.pipeline_parallel > 1:
        peak *= _PIPELINE
    low, high = _EARLY_BAND if early else _MOE_BAND if facts.moe else _BAND
    return (
        BufferPart(
            "activation peak",
            "activations",
            *spread(peak, low, high),
            "assumed" if early or facts.guessed else "fitted",
            _PLANNER,
            "warm-up of the sampler over max_num_seqs; follows the vocabulary",
        ),
        _non_torch(settings, amd),
        BufferPart(
            "CUDA graphs",
            "runtime",
            *gib_band(_GRAPHS),
            "assumed",
            "public vLLM logs",
            "outside the budget of gpu_memory_utilization in older versions; none when eager",
        ),
    )


def _non_torch(settings: Settings, amd: bool) -> BufferPart:
    several = settings.tensor_parallel > 1
    recent = not before(settings.engine_version, VLLM_MORE_NON_TORCH)
    figures = _NON_TORCH[(recent, several)]
    if amd:
        figures = _NON_TORCH_AMD
    elif settings.pipeline_parallel > 1 and not several:
        figures = _NON_TORCH_PIPELINE
    return BufferPart(
        "non-torch memory",
        "activations",
        *gib_band(figures),
        "fitted",
        _PLANNER,
        "communication and library buffers; inside the budget of gpu_memory_utilization",
    )
