"""Activations of mlx-lm: the prompt goes through in chunks; no fit exists, so they are assumed."""

from __future__ import annotations

from typing import Final

from whichweights.planning.buffers.facts import BufferFacts, BufferPart, spread
from whichweights.planning.memory_types import Settings

__all__ = ["mlx_buffers"]

_PREFILL_TOKENS: Final = 2048
"""prefill_step_size of mlx-lm's generate (mlx_lm/generate.py)."""

_BASE_BYTES: Final = 100 * 2**20


def mlx_buffers(facts: BufferFacts, settings: Settings) -> tuple[BufferPart, ...]:
    """Activations of one prefill chunk, in bytes: 4 ff 2 B per token, as in transformers."""
    tokens = min(_PREFILL_TOKENS, settings.prompt_tokens * settings.concurrent_sequences)
    value = _BASE_BYTES + 8.0 * facts.width * tokens
    return (
        BufferPart(
            "activations",
            "activations",
            *spread(value, 0.3, 3.0),
            "assumed",
            "assumed: prefill rule of transformers on a chunk of 2,048 tokens",
        ),
    )
