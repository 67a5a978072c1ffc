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
    """Activations of one prefill chunk, in bytes: 4 ff 2 B per token, and its 16-bit logits.

    Checked on one model: Qwen3-30B-A3B at 4 to 8 bits lies 0.58 GB above weights, cache and
    4 ff 2 B (mlx_lm/BENCHMARKS.md, 0.28.2), and 2,048 tokens of logits take 0.62 GB.
    """
    tokens = min(_PREFILL_TOKENS, settings.prompt_tokens * settings.concurrent_sequences)
    value = _BASE_BYTES + 8.0 * facts.width * tokens + 2.0 * facts.vocabulary * tokens
    return (
        BufferPart(
            "activations",
            "activations",
            *spread(value, 0.3, 2.0),
            "assumed",
            "assumed after one model: MLP widths and logits of a chunk of 2,048 tokens",
        ),
    )
