"""Vocabularies of open families that the extra `vocabularies` carries, proved by their hash.

The package holds each vocabulary in a form of its own. Written out again in the maker's form (one
base64 token and its rank a line) it must have the sha256 of the maker's published file, so that the
package's upkeep does not matter; what cannot be proved so is not used. Hashes as repositories that
pin these files state them, and as recomputed, 2026-11. Split patterns and added tokens: the
families' own tokenizer.json or tokenizer code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from whichweights_plugins.tokenizers._patterns import KIMI, LLAMA3, QWEN2

_QWEN_TOOLS = {"<tool_call>": 151657, "</tool_call>": 151658}
_QWEN_FILL = {
    "<|fim_prefix|>": 151659,
    "<|fim_middle|>": 151660,
    "<|fim_suffix|>": 151661,
    "<|fim_pad|>": 151662,
    "<|repo_name|>": 151663,
    "<|file_sep|>": 151664,
}
_QWEN_THINKING = {
    "<tool_response>": 151665,
    "</tool_response>": 151666,
    "<think>": 151667,
    "</think>": 151668,
}


@dataclass(frozen=True)
class FamilyFacts:
    """One family. `literal` are added tokens its tokenizer finds in any text, with their ids."""

    name: str
    packaged_as: str
    ranks: int
    sha256: str
    pattern: str
    models: re.Pattern[str]
    command_model: str
    nfc: bool = False
    literal: dict[str, int] = field(default_factory=dict[str, int])


_LLAMA3_SHA256 = "82e9d31979e92ab929cd544440f129d9ecd797b69e327f80f17e1c50d5551b55"
_QWEN_SHA256 = "b2b1b8dfb5cc5f024bafc373121c6aba3f66f9a5a0269e243470a1de16a33186"
_KIMI_SHA256 = "b6c497a7469b33ced9c38afb1ad6e47f03f5e5dc05f15930799210ec050c5103"


def _models(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


FAMILIES: tuple[FamilyFacts, ...] = (
    FamilyFacts(
        "llama3",
        "llama3",
        128_000,
        _LLAMA3_SHA256,
        LLAMA3,
        _models(r"meta-llama/(?:meta-)?llama-3(?:\.[123])?-"),
        "meta-llama/Llama-3.1-8B-Instruct",
    ),
    FamilyFacts(
        "qwen2",
        "qwen2",
        151_643,
        _QWEN_SHA256,
        QWEN2,
        _models(r"qwen/qwen(?:1\.5|2)-"),
        "Qwen/Qwen2-7B-Instruct",
        nfc=True,
    ),
    FamilyFacts(
        "qwen2.5",
        "qwen2",
        151_643,
        _QWEN_SHA256,
        QWEN2,
        _models(r"qwen/qwen2\.5-(?:coder-|math-)?\d"),
        "Qwen/Qwen2.5-7B-Instruct",
        nfc=True,
        literal=_QWEN_TOOLS | _QWEN_FILL,
    ),
    FamilyFacts(
        "qwen3",
        "qwen3",
        151_643,
        _QWEN_SHA256,
        QWEN2,
        _models(r"qwen/qwen3-(?:coder-)?\d"),
        "Qwen/Qwen3-8B",
        nfc=True,
        literal=_QWEN_TOOLS | _QWEN_FILL | _QWEN_THINKING,
    ),
    FamilyFacts(
        "kimi_k2",
        "kimi_k2",
        163_584,
        _KIMI_SHA256,
        KIMI,
        _models(r"moonshotai/kimi-k2-"),
        "moonshotai/Kimi-K2-Instruct",
    ),
)


def family_of(name: str) -> FamilyFacts | None:
    """The family of an encoding's own name or a repository id; None for anything else."""
    plain = name.strip()
    return next((f for f in FAMILIES if plain.lower() == f.name or f.models.match(plain)), None)
