"""What vLLM takes beside weights and cache, by version."""

from __future__ import annotations

from typing import Final

from whichweights.planning.buffers.facts import BufferFacts, BufferPart, gib_band, spread
from whichweights.planning.engine_versions import (
    VLLM_LEAN_SAMPLER,
    VLLM_MORE_NON_TORCH,
    VLLM_V1,
    VLLM_V1_DEFAULT,
    before,
)
from whichweights.planning.memory_types import Settings

__all__ = ["LEAN", "WIDE_BYTES", "batched_tokens", "forward_pass", "lean_terms", "vllm_buffers"]

_MIB: Final = 2**20
_PLANNER: Final = "fit to llm-d-planner's published vLLM runs (H100) and public vLLM logs"

# Constants and bands of this file: benchmarks/fit_inference.py, 2026-11, fitted on some model
# families and checked on the others.
LEAN: Final = (43.89, 13.63, 2.519, 1.12, 231.9)
"""Since 0.17, what each of `lean_terms` is multiplied with: mean error 3.2 % on the family left
out, 25 runs of 7 families."""

WIDE_BYTES: Final = 38.6
"""Before 0.17: bytes per vocabulary entry and sequence (0.11 to 0.16: Llama-8B 4.76 GiB, Qwen 5.6;
0.6.6 to 0.8.5 alike, with 128 to 320 sequences)."""

_FORWARD: Final = 3
"""MLP widths and hidden states of 16 bits alive in a forward pass, per token: 3 ff + 3 h gives
2,109 and 3,058 MiB where vLLM 0.6.4 printed 2,120 and 3,062 (Llama-8B, 20,000 and 29,000)."""

_PIPELINE: Final = 0.57
"""Stages lower Llama-8B from 1.89 to 1.10 (PP=2) and 1.05 GiB (PP=4)."""

_BAND: Final = (0.92, 1.12)
_MOE_BAND: Final = (0.8, 1.3)
_WIDE_BAND: Final = (0.45, 1.2)
_EARLY_BAND: Final = (0.2, 1.5)
"""Before 0.11: within 6 % on Qwen logs that print max_num_seqs, one Llama log at a fifth."""

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

_UNCHUNKED: Final = 32_768


def batched_tokens(version: str | None, context_tokens: int, large_device: bool) -> int:
    """max_num_batched_tokens where nobody set it (vllm/engine/arg_utils.py).

    8,192 on a device of 70 GiB or more, else 2,048; before 0.8 a prompt of up to 32,768 tokens
    was not cut, so that the context itself is the batch.
    """
    if before(version, VLLM_V1_DEFAULT):
        return max(2048, context_tokens) if context_tokens <= _UNCHUNKED else 2048
    return 8192 if large_device else 2048


def vllm_buffers(
    facts: BufferFacts, settings: Settings, amd: bool = False
) -> tuple[BufferPart, ...]:
    """Activation peak, non-torch memory and CUDA graphs of one rank, in bytes.

    The peak follows the vocabulary and the number of sequences of the warm-up, not the model's
    size: about 14 B x max_num_seqs x V since 0.17 (see `lean_terms`), 38.6 B before;
    at least a forward pass over max_num_batched_tokens.
    """
    version = settings.engine_version
    early, wide = before(version, VLLM_V1), before(version, VLLM_LEAN_SAMPLER)
    peak = max(_sampler(facts, settings, wide), forward_pass(facts, settings))
    if settings.pipeline_parallel > 1:
        peak *= _PIPELINE
    low, high = _BAND
    if early or wide:
        low, high = _EARLY_BAND if early else _WIDE_BAND
    elif facts.moe or facts.vision:
        low, high = _MOE_BAND
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


def _sampler(facts: BufferFacts, settings: Settings, wide: bool) -> float:
    """The warm-up of the sampler, with what is still alive beside it."""
    if wide:
        return WIDE_BYTES * facts.vocabulary * (settings.max_num_seqs or 256)
    terms = lean_terms(facts, settings)
    return sum(factor * term for factor, term in zip(LEAN, terms, strict=True))


def lean_terms(facts: BufferFacts, settings: Settings) -> tuple[float, ...]:
    """Bytes of what adds up to the peak since 0.17: a fixed MiB, vocabulary entries x sequences of
    the warm-up, a 16-bit copy of the batch's hidden states, the routed experts' work space, and a
    MiB with a vision tower (284 too little without on gemma-3-4b, 193 on Llama 4 Scout)."""
    batch = settings.max_batched_tokens or 2048
    return (
        float(_MIB),
        float(facts.vocabulary * (settings.max_num_seqs or 256)),
        2.0 * batch * facts.hidden,
        2.0 * batch * _expert_work(facts, settings.tensor_parallel),
        float(_MIB if facts.vision and settings.load_vision else 0),
    )


def _expert_work(facts: BufferFacts, ranks: int) -> float:
    """Elements per token of the fused experts' work space: two buffers, the first used twice."""
    width = facts.expert_width / ranks
    return facts.experts_per_token * (max(2 * width, facts.hidden) + width)


def forward_pass(facts: BufferFacts, settings: Settings) -> float:
    """Bytes of one forward pass over the largest batch, one rank."""
    batch = settings.max_batched_tokens or 2048
    width = facts.width / settings.tensor_parallel
    return 2.0 * batch * _FORWARD * (width + facts.hidden)


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
