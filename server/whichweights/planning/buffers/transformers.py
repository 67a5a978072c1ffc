"""Activations of transformers' generate(), by version."""

from __future__ import annotations

from typing import Final

from whichweights.planning.buffers.facts import SCAN_CHUNK, BufferFacts, BufferPart
from whichweights.planning.engine_versions import (
    TRANSFORMERS_CURRENT,
    TRANSFORMERS_LAST_LOGITS,
    TRANSFORMERS_LEAN_PREFILL,
    before,
)
from whichweights.planning.memory_types import Settings

__all__ = [
    "LEAN_K",
    "OLD_BYTES",
    "K",
    "activation_peak",
    "current_peak",
    "transformers_buffers",
]

K: Final = 4.0
LEAN_K: Final = 1.0
"""Intermediates alive at the widest point of a layer, in MLP widths of 16 bits: 3.8 to 4.3 in
Qwen's tables of 4.46; in those of 4.51 at most 0.3 to 2.7, so the band reaches from 0 to 4."""

_LOGITS_BYTES: Final = 6
"""Old versions: 16-bit logits of the whole prompt and their float32 copy."""

OLD_BYTES: Final = (2**29, 0, 3 * 2**29)
"""Old versions hold this much more at any length (0.1 to 1.4 GiB at one prompt token)."""

_SCORE_BYTES: Final = 6
"""Eager attention: 16-bit scores of all heads and their float32 softmax."""

_SLACK: Final = (0.07, 0.12)
"""Allocator and format slack, share of the whole: 96 % of 192 cases within 20 %, 78 % in 5 %."""

_WORKSPACE: Final = 32 * 2**20
"""cuBLAS keeps this much once a matrix was multiplied (32 to 33 MiB in all 51 runs)."""

_CURRENT_BAND: Final = (0.6, 1.35)
_CURRENT_MOE_BAND: Final = (0.6, 1.6)
_CURRENT_SLACK: Final = (0.005, 0.03)
"""Around the rule of 5.x. From 1,900 prompt tokens on, 28 measured models lie at 0.96 to 1.10 of it
but for Phi (gate and up in one tensor, 1.19 to 1.29), Falcon-7B in batches and Mamba-2 scans. Only
four models have experts; kernels, devices and versions may differ more."""

_CURRENT_SOURCE: Final = (
    "what a layer holds, checked on 95 runs of transformers 5.17.0 (one H100, 2026-11-27) and on "
    "Qwen's tables of 4.46"
)

_SOURCE: Final = "prefill rule, checked on 331 published peaks (Qwen tables and others)"


def transformers_buffers(
    facts: BufferFacts, settings: Settings, cache_bytes: int, weight_bytes: int
) -> tuple[BufferPart, ...]:
    """Activations at the peak, in bytes, beside weights and the whole cache.

    The peak is weights + max(cache of all tokens, cache of the prompt + prefill), with prefill =
    k ff 2 B per prompt token; before 4.45 at least 6 B x V per prompt token, for the logits of the
    whole prompt (mean error 4.1 % on 192 current, 10.6 % on 139 old cases with k = 4).
    In 4.45 to 4.49 and since 5: see `current_peak`.
    """
    version = settings.engine_version
    old = before(version, TRANSFORMERS_LAST_LOGITS)
    lean = not before(version, TRANSFORMERS_LEAN_PREFILL) and before(version, TRANSFORMERS_CURRENT)
    if not old and not lean:
        return (_counted(facts, settings, cache_bytes, weight_bytes),)
    base = OLD_BYTES if old else (0, 0, 0)
    value = activation_peak(facts, settings, cache_bytes, LEAN_K if lean else K) + base[0]
    least = activation_peak(facts, settings, cache_bytes, 0.0 if lean else 0.75 * K)
    low, high = least + base[1], activation_peak(facts, settings, cache_bytes, K) + base[2]
    eager = settings.flash_attention is False
    whole = weight_bytes + cache_bytes + value
    return (
        BufferPart(
            "activations",
            "activations",
            value,
            min(value, max(0, low - round(_SLACK[0] * low))),
            high + round(_SLACK[1] * whole),
            "assumed" if facts.guessed or eager else "fitted",
            _SOURCE,
            "logits of the whole prompt" if old and not facts.encoder else None,
            1.0,
        ),
    )


def _counted(
    facts: BufferFacts, settings: Settings, cache_bytes: int, weight_bytes: int
) -> BufferPart:
    value = current_peak(facts, settings, cache_bytes)
    scan = _written_out_scan(facts, settings)
    least, most = _CURRENT_MOE_BAND if facts.moe else _CURRENT_BAND
    below, above = _CURRENT_SLACK
    whole = weight_bytes + cache_bytes + value
    eager = settings.flash_attention is False
    return BufferPart(
        "activations",
        "activations",
        value,
        max(0, round(least * value - below * whole)),
        round(most * value + above * whole) + scan,
        "assumed" if facts.guessed or eager else "fitted",
        _CURRENT_SOURCE,
        f"{scan / 2**30:.1f} GiB more (in `high`) without the mamba-ssm kernels" if scan else None,
    )


def _written_out_scan(facts: BufferFacts, settings: Settings) -> int:
    """What transformers' own Mamba-2 scan writes out where the kernels are not installed.

    Chunk x chunk x heads x state in 32 bits for each chunk of the prompt, padded to whole chunks
    (torch_forward of modeling_granitemoehybrid.py); 99 % of what granite-4.0-h-tiny took beyond
    the rest in three runs of 5.17.0 on an H100 (2026-11-27).
    """
    chunks = -(-settings.prompt_tokens // SCAN_CHUNK)
    return facts.scan_bytes * chunks * SCAN_CHUNK * settings.concurrent_sequences


def current_peak(facts: BufferFacts, settings: Settings, cache_bytes: int) -> int:
    """Bytes above weights and the whole cache, in 4.45 to 4.49 and since 5: what the widest point
    of the prefill holds.

    MLP: its elements in 16 bits per prompt token, and with attention windows a mask of one byte for
    each pair of tokens; attention: 4 hidden, the mask and its 16-bit copy, and with sinks, which no
    fused kernel of torch knows, all scores. Window layers
    hold the whole prompt until the next token (a view keeps it alive). Slopes over 22,000 tokens
    of 5.17.0: 59.2k elements on Llama-3.1-8B (3 ff + 4 h = 59,392), 53.3k on Qwen3-8B (53,248),
    54.9k on Granite-3.3-8B (54,784), 49.2k on OPT-6.7B (2 ff + 4 h = 49,152). Nothing is fitted:
    on Qwen's 38 long prompts of 4.46 the mean error is 0.8 %.
    """
    prompt, sequences = settings.prompt_tokens, settings.concurrent_sequences
    tokens = prompt * sequences
    beyond = max(0, prompt - facts.window) if facts.window else 0
    mask = prompt * tokens if beyond else 0
    hidden = 4 * facts.hidden
    mlp = 2 * tokens * facts.mlp_elements + mask
    attention = 2 * tokens * hidden + 3 * mask
    if settings.flash_attention is False or facts.sinks:
        attention += _SCORE_BYTES * facts.heads * prompt * tokens
    kept = 2 * facts.windowed_elements * beyond * sequences
    unused = round(cache_bytes * (1 - prompt / settings.context_tokens))
    return max(0, max(mlp, attention) + kept - unused) + _WORKSPACE


def activation_peak(facts: BufferFacts, settings: Settings, cache_bytes: int, widths: float) -> int:
    """Bytes above weights and the whole cache, with so many MLP widths alive at prefill.

    The cache of the output stands beside the prefill's only later: the larger of the two counts.
    """
    tokens = settings.prompt_tokens * settings.concurrent_sequences
    unused = round(cache_bytes * (1 - settings.prompt_tokens / settings.context_tokens))
    old = before(settings.engine_version, TRANSFORMERS_LAST_LOGITS)
    logits = _LOGITS_BYTES * facts.vocabulary * tokens if old and not facts.encoder else 0
    scores = 0
    if settings.flash_attention is False:
        scores = _SCORE_BYTES * facts.heads * settings.prompt_tokens * tokens
    prefill = round(max(widths * facts.width * 2 * tokens, logits) + scores)
    return max(0, prefill - unused)
