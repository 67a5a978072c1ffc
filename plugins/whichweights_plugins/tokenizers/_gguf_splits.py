"""How llama.cpp's named pre-tokenizers split text, for the names that were held against the maker.

A GGUF file names its split (`tokenizer.ggml.pre`) and does not carry it. The patterns are those of
the families' own tokenizer.json, tiktoken or tekken files; which name means which, and which take a
whole word that is a piece before merging, is llama.cpp's src/llama-vocab.cpp, read 2026-11. Each
name here gave, id by id, the ids of the tokenizer in `verified` over the corpus of the tests; other
names are refused, since a wrong split counts wrong silently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from whichweights_plugins.tokenizers._patterns import (
    DEEPSEEK_V3,
    GPT2,
    KIMI,
    LLAMA3,
    O200K,
    QWEN2,
    TEKKEN,
)


@dataclass(frozen=True)
class Split:
    """Patterns applied one after the other. `whole_words`: a word that is a piece is not merged."""

    patterns: tuple[str, ...]
    verified: str
    whole_words: bool = False


def _split(verified: str, *patterns: str, whole_words: bool = False) -> Split:
    return Split(patterns, verified, whole_words)


_BY_LLAMA = _split("Llama 3", LLAMA3, whole_words=True)
_BY_GPT4O = _split("o200k_base", O200K)
SPLITS: Mapping[str, Split] = {
    "llama-bpe": _BY_LLAMA,
    "llama3": _BY_LLAMA,
    "llama-v3": _BY_LLAMA,
    "qwen2": _split("Qwen 3", QWEN2),
    "gpt-4o": _BY_GPT4O,
    "llama4": _BY_GPT4O,
    "deepseek-v3": _split("DeepSeek V3", *DEEPSEEK_V3),
    "tekken": _split("Tekken", TEKKEN, whole_words=True),
    "kimi-k2": _split("Kimi K2", KIMI),
    "glm4": _split("GLM-4", LLAMA3),
    "chatglm-bpe": _split("GLM-4", LLAMA3),
    "gpt-2": _split("ModernBERT", GPT2),
}
