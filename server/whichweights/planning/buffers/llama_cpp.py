"""Compute buffers of llama.cpp and ollama, by build."""

from __future__ import annotations

from typing import Final

from whichweights.planning.buffers.facts import BufferFacts, BufferPart
from whichweights.planning.engine_versions import LLAMA_CPP_FEW_OUTPUTS, before_build, parse_version
from whichweights.planning.memory_types import Settings

__all__ = ["llama_cpp_buffers"]

_FLOAT: Final = 4
_CELL_PADDING: Final = 256

_OLD_BAND: Final = (0.95, 1.2)
"""Full offload of 2024-25 builds: exact to 4 % on Llama, Qwen3 and GLM logs; a fork and a Vulkan
build lie up to 15 % above (ikawrakow/ik_llama.cpp load logs)."""

_NEW_BAND: Final = (0.7, 1.5)
"""Builds that reserve few outputs: one shape measured (Qwen2.5-7B, 136 MiB at 4k, 148 at 16k)."""

_LATENT_HIGH: Final = 5.0
"""MLA is not covered by the rule: its scratch follows the attention-batch cap (DeepSeek logs)."""

_EXPERTS_HIGH: Final = 3.5
"""Experts in system memory: misses of 2.5 to 3.4x, where a whole expert tensor is copied over."""

_OTHER_DEVICE: Final = 0.75
"""A device without the head needs no logits: 55 to 98 % of the buffer in multi-GPU logs."""

_SOURCE: Final = "rule re-derived from public llama.cpp and ik_llama.cpp load logs"


def llama_cpp_buffers(
    facts: BufferFacts, settings: Settings, experts_on_host: bool
) -> tuple[BufferPart, ...]:
    """The compute buffer of one device, in bytes, float32 activations.

    Until mid 2026: 4 ubatch (V + h), logits for every token. Since PR 23861: the widest point of a
    layer, 4 ubatch 3 (ff + h), plus the f16 mask 2 ubatch n_ctx. Without flash attention both are
    at least 4 ubatch (1 + 4h + n_ctx (1 + heads)), exact on Llama-3.1-8B (560.0 MiB at 8,192),
    Llama-2-7B (164.0 at 2,048) and GLM-Z1-32B (832 at 8,192).
    """
    context = -(-settings.context_tokens // _CELL_PADDING) * _CELL_PADDING
    batch = min(settings.ubatch_tokens or 512, settings.context_tokens)
    version = settings.engine_version
    old = _FLOAT * batch * (facts.vocabulary + facts.hidden)
    layer = _FLOAT * batch * 3 * (facts.width + facts.hidden) + 2 * batch * context
    few = layer + _FLOAT * facts.vocabulary * settings.concurrent_sequences
    floor = 0
    if settings.flash_attention is False:
        floor = _FLOAT * batch * (1 + 4 * facts.hidden + context * (1 + facts.heads))
    is_old = before_build(settings.engine, version, LLAMA_CPP_FEW_OUTPUTS)
    value = max(old if is_old else few, floor)
    low, high = _OLD_BAND if is_old or floor == value else _NEW_BAND
    top = high * value
    if is_old:
        top = max(top, old + 1.5 * layer) if not facts.moe else max(top, old + layer)
    unplaced = settings.engine == "ollama" and not is_old
    if parse_version(version) is None or unplaced:
        top = max(top, _OLD_BAND[1] * max(old, floor))
    if facts.latent:
        top *= _LATENT_HIGH
    elif experts_on_host:
        top *= _EXPERTS_HIGH
    return (
        BufferPart(
            "compute buffer",
            "activations",
            value,
            round(value * low),
            round(top),
            "assumed" if facts.guessed or facts.latent else "fitted",
            _SOURCE,
            _note(settings, is_old, facts),
            _OTHER_DEVICE,
        ),
    )


def _note(settings: Settings, is_old: bool, facts: BufferFacts) -> str | None:
    if facts.latent:
        return "MLA is not covered by the rule: wide band"
    if settings.engine_version is None:
        return "builds before mid 2026 reserve logits for the whole micro-batch: in the band"
    return "logits for the whole micro-batch" if is_old else None
