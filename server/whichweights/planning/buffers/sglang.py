"""What SGLang takes beside weights and cache: little is published, so the band is wide."""

from __future__ import annotations

from typing import Final

from whichweights.planning.buffers.facts import BufferFacts, BufferPart, spread
from whichweights.planning.memory_types import Settings

__all__ = ["sglang_buffers"]

_GIB: Final = 2**30
_PREFILL_TOKENS: Final = 8192
"""chunked_prefill_size of a data-centre card (SGLang server arguments); smaller cards use less."""

_SOURCE: Final = "assumed: six public cases only, no line could be fitted"


def sglang_buffers(facts: BufferFacts, settings: Settings) -> tuple[BufferPart, ...]:
    """Activations of one rank and CUDA graphs, in bytes; both assumed.

    Activations: one prefill chunk through the widest layer in bf16 plus 0.5 GiB.
    """
    tokens = min(_PREFILL_TOKENS, settings.prompt_tokens * settings.concurrent_sequences)
    chunk = 2.0 * tokens * (2 * facts.width + 4 * facts.hidden) / settings.tensor_parallel
    activations = BufferPart(
        "activations", "activations", *spread(0.5 * _GIB + chunk, 0.4, 4.0), "assumed", _SOURCE
    )
    graphs = BufferPart("CUDA graphs", "runtime", *spread(1.0 * _GIB, 0.3, 3.0), "assumed", _SOURCE)
    return activations, graphs
