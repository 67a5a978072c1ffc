"""Compute buffers of llama.cpp and ollama, by build."""

from __future__ import annotations

from typing import Final

from whichweights.planning.buffers.facts import BufferFacts, BufferPart
from whichweights.planning.engine_versions import (
    LLAMA_CPP_FEW_OUTPUTS,
    LLAMA_CPP_OVERRIDE_TENSOR,
    LLAMA_CPP_STREAMS,
    before_build,
    is_fork,
    parse_version,
)
from whichweights.planning.memory_types import Settings

__all__ = ["EXPERT_COPIES", "llama_cpp_buffers"]

EXPERT_COPIES: Final = "expert copies"
"""Name of the part that stands on the first device only."""

_FLOAT: Final = 4
_CELL_PADDING: Final = 256

# Bands: residuals left by cross-validation over families (benchmarks/fit_inference.py, 2026-11).
_OLD_BAND: Final = (0.95, 1.2)
"""Full offload of 2024-25 builds: exact to 4 % on Llama, Qwen3 and GLM logs; a Vulkan build lies
19 % above (ikawrakow/ik_llama.cpp load logs)."""

_NEW_BAND: Final = (0.7, 1.5)
"""Builds that reserve few outputs: one shape measured (Qwen2.5-7B, 136 MiB at 4k, 148 at 16k)."""

_LATENT_BAND: Final = (0.55, 1.85)
"""MLA: one mainline log (DeepSeek-V3, build 5331: 788 MiB at a micro-batch of 1,024, exact); logs
of the ik_llama.cpp fork lie between 0.6 and 1.8 of its own rule."""

_FORK_CHUNK: Final = 512 * 2**20
_FORK_SCORES: Final = 8 * _FORK_CHUNK
"""The fork cuts attention scores into chunks of this size (its -amb switch, usual value); without
flash attention eight times that is the most seen (5,088 MiB at 163,840 tokens)."""

_COPIED: Final = (0.6, 0.0, 1.4)
"""Share of one layer's routed experts that is copied over for prompt batches: 0.57 (MiniMax-M2.1)
and 0.64 (DeepSeek-V3, build 5331); in 5 of 29 logs of the fork 0.35 to 0.6, else nothing."""

_SOURCE: Final = "rule re-derived from public llama.cpp and ik_llama.cpp load logs"


def llama_cpp_buffers(
    facts: BufferFacts, settings: Settings, expert_layer_bytes: int = 0
) -> tuple[BufferPart, ...]:
    """The compute buffer of one device, in bytes, float32 activations.

    Until mid 2026: 4 ubatch (V + h), logits for every token (the fork: V + 2h). Since PR 23861:
    the widest point of a layer, 4 ubatch 3 (ff + h), plus the f16 mask 2 ubatch n_ctx; a device
    without the head always has the latter. MLA: 4 ubatch (absorbed heads + 3h + n_ctx). Without
    flash attention all are at least 4 ubatch (1 + 4h + n_ctx (1 + heads)), exact on Llama-3.1-8B
    (560.0 MiB at 8,192), Llama-2-7B (164.0 at 2,048) and GLM-Z1-32B (832 at 8,192).
    """
    logits, layer = _logits(facts, settings), _layer(facts, settings)
    value = max(logits, layer)
    low, top = _bounds(facts, settings, value, logits, layer)
    found = [
        BufferPart(
            "compute buffer",
            "activations",
            value,
            low,
            top,
            "assumed" if facts.guessed or facts.latent else "fitted",
            _SOURCE,
            _note(facts, settings),
            min(1.0, layer / value),
        )
    ]
    if expert_layer_bytes:
        found.append(_expert_copies(settings, expert_layer_bytes))
    return tuple(found)


def _is_old(settings: Settings) -> bool:
    return before_build(settings.engine, settings.engine_version, LLAMA_CPP_FEW_OUTPUTS)


def _batch(settings: Settings) -> int:
    return min(settings.ubatch_tokens or 512, settings.context_tokens)


def _cells(settings: Settings, shared: bool) -> int:
    """Cells one token may look at: of all sequences together where they share one cache."""
    tokens = settings.context_tokens
    if (
        shared
        or settings.engine == "ollama"
        or before_build(settings.engine, settings.engine_version, LLAMA_CPP_STREAMS)
    ):
        tokens *= settings.concurrent_sequences
    return -(-tokens // _CELL_PADDING) * _CELL_PADDING


def _logits(facts: BufferFacts, settings: Settings) -> int:
    """The buffer that holds the output: of every token, or of one token of each sequence."""
    if _is_old(settings):
        return _whole_batch(facts, settings)
    return _layer(facts, settings) + _FLOAT * facts.vocabulary * settings.concurrent_sequences


def _whole_batch(facts: BufferFacts, settings: Settings) -> int:
    columns = 2 if is_fork(settings.engine_version) else 1
    return _FLOAT * _batch(settings) * (facts.vocabulary + columns * facts.hidden)


def _layer(facts: BufferFacts, settings: Settings, shared: bool = False) -> int:
    """The widest point of a layer, mask and scores included; `shared`: one cache for all."""
    batch, cells = _batch(settings), _cells(settings, shared)
    found = _FLOAT * batch * _widest(facts) + 2 * batch * cells
    scores = _FLOAT * batch * (1 + 4 * facts.hidden + cells * (1 + facts.heads))
    eager = settings.flash_attention is False
    if facts.latent and is_fork(settings.engine_version):
        if eager:
            return found + min(scores, _FORK_SCORES)
        return found + 2 * cells * facts.expanded + min(_FORK_CHUNK, scores // 4)
    if eager:
        return max(found, scores)
    if not facts.latent:
        return found
    return max(found, _FLOAT * batch * (facts.absorbed + 3 * facts.hidden + cells))


def _widest(facts: BufferFacts) -> int:
    """Elements per token at the widest point of a layer: gate, up and their product beside the
    hidden states; or the outputs of the routed experts, one row of the model's width each."""
    dense = 3 * (facts.width + facts.hidden)
    routed = facts.experts_per_token * (facts.expert_width + facts.hidden) + 2 * facts.hidden
    return max(dense, routed)


def _bounds(
    facts: BufferFacts, settings: Settings, value: int, logits: int, layer: int
) -> tuple[int, int]:
    """(low, high): builds differ, and without a version an older one may be meant."""
    is_old, version = _is_old(settings), settings.engine_version
    eager = settings.flash_attention is False
    band = _OLD_BAND if is_old or eager else _NEW_BAND
    if facts.latent:
        band = _LATENT_BAND
    top = band[1] * value
    if is_old and not facts.latent:
        top = max(top, logits + (1.0 if facts.moe else 1.5) * layer)
    unplaced = settings.engine == "ollama" and not is_old
    if parse_version(version) is None or unplaced:
        older = max(_whole_batch(facts, settings), _layer(facts, settings, shared=True))
        top = max(top, _OLD_BAND[1] * older)
    return round(value * band[0]), round(top)


def _expert_copies(settings: Settings, layer_bytes: int) -> BufferPart:
    """Expert tensors that a prompt batch brings to the first device; builds before the switch
    that keeps experts in system memory are the fork, which copies only large batches."""
    engine, version = settings.engine, settings.engine_version
    share, low, high = _COPIED
    if before_build(engine, version, LLAMA_CPP_OVERRIDE_TENSOR):
        share = 0.0
    return BufferPart(
        EXPERT_COPIES,
        "activations",
        *(round(share * layer_bytes), round(low * layer_bytes), round(high * layer_bytes)),
        "assumed",
        "two public logs of mainline builds (MiniMax-M2.1, DeepSeek-V3)",
        "experts in system memory come to the first device for prompt batches",
        1.0,
    )


def _note(facts: BufferFacts, settings: Settings) -> str | None:
    if facts.latent:
        return "MLA: the rule rests on one log"
    if settings.engine_version is None:
        return "builds before mid 2026 reserve logits for the whole micro-batch: in the band"
    return "logits for the whole micro-batch" if _is_old(settings) else None
