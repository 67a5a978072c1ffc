"""The calls that are timed and measured: one ordinary question for every tool."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Call:
    """One question; `bar_ms` is what a warm answer may take, beside a call of the bare server.

    `relative` bars stand beside the bare server's own time, absolute ones alone.
    """

    tool: str
    note: str
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    bar_ms: float | None = 5.0
    relative: bool = True


_CARD = ["RTX 4090"]

CALLS = (
    Call("recommend_model", "coding", {"task": "coding", "accelerators": _CARD}, 50.0, False),
    Call(
        "recommend_model",
        "chat in Swahili",
        {"task": "chat", "languages": ["sw"], "accelerators": _CARD},
        50.0,
        False,
    ),
    Call("estimate_vram", "llama 3.1 8b", {"model": "llama 3.1 8b", "accelerators": _CARD}),
    Call(
        "estimate_vram",
        "qwen3 32b, 32k",
        {"model": "qwen3 32b", "context_tokens": "32k", "accelerators": _CARD},
    ),
    Call("quantize_plan", "tag", {"tag": "Q4_K_M"}, 20.0, False),
    Call("quantize_plan", "model", {"model": "qwen3 32b", "accelerators": _CARD}, 20.0, False),
    Call(
        "check_language_coverage",
        "two languages",
        {"model": "llama 3.1 8b", "languages": ["de", "sw"]},
        20.0,
        False,
    ),
    Call("count_tokens", "a sentence", {"models": ["gpt-4o"], "text": "How long is this text?"}),
    Call("describe_model", "qwen3 32b", {"model": "qwen3 32b"}),
    Call("gpu_status", "a named card", {"accelerators": _CARD}),
    Call("gpu_status", "this machine", {}, None),
)
