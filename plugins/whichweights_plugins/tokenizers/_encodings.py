"""What OpenAI's encodings are: the vocabulary's hash, the split pattern, the special tokens.

All are those of tiktoken 0.14.0, `tiktoken_ext/openai_public.py`, read 2026-11. They are literals
because tiktoken's own constructors fetch the vocabulary from the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from whichweights_plugins.tokenizers._patterns import O200K

_HOST = "https://openaipublic.blob.core.windows.net/encodings/"

_R50K_SHA256 = "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930"
_P50K_SHA256 = "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069"
_CL100K_SHA256 = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
_O200K_SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"

_R50K_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
_CL100K_PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
_HARMONY_NAMED = {
    "<|startoftext|>": 199998,
    "<|endoftext|>": 199999,
    "<|return|>": 200002,
    "<|constrain|>": 200003,
    "<|channel|>": 200005,
    "<|start|>": 200006,
    "<|end|>": 200007,
    "<|message|>": 200008,
    "<|call|>": 200012,
    "<|endofprompt|>": 200018,
}
_HARMONY_RESERVED = (200000, 200001, 200004, 200009, 200010, 200011, *range(200013, 201088))
"""200018 stands for two names: the reserved one and <|endofprompt|> of o200k_base."""


@dataclass(frozen=True)
class EncodingFacts:
    """One encoding. `ranks` names the vocabulary file, which several encodings may share."""

    name: str
    ranks: str
    sha256: str
    pattern: str
    special_tokens: Mapping[str, int]

    @property
    def url(self) -> str:
        """Where tiktoken would fetch the vocabulary; its cache is keyed by this text."""
        return f"{_HOST}{self.ranks}.tiktoken"


ENCODINGS: Mapping[str, EncodingFacts] = {
    facts.name: facts
    for facts in (
        EncodingFacts(
            "o200k_base",
            "o200k_base",
            _O200K_SHA256,
            O200K,
            {"<|endoftext|>": 199999, "<|endofprompt|>": 200018},
        ),
        EncodingFacts(
            "o200k_harmony",
            "o200k_base",
            _O200K_SHA256,
            O200K,
            _HARMONY_NAMED | {f"<|reserved_{token}|>": token for token in _HARMONY_RESERVED},
        ),
        EncodingFacts(
            "cl100k_base",
            "cl100k_base",
            _CL100K_SHA256,
            _CL100K_PATTERN,
            {
                "<|endoftext|>": 100257,
                "<|fim_prefix|>": 100258,
                "<|fim_middle|>": 100259,
                "<|fim_suffix|>": 100260,
                "<|endofprompt|>": 100276,
            },
        ),
        EncodingFacts(
            "p50k_edit",
            "p50k_base",
            _P50K_SHA256,
            _R50K_PATTERN,
            {
                "<|endoftext|>": 50256,
                "<|fim_prefix|>": 50281,
                "<|fim_middle|>": 50282,
                "<|fim_suffix|>": 50283,
            },
        ),
        EncodingFacts(
            "p50k_base", "p50k_base", _P50K_SHA256, _R50K_PATTERN, {"<|endoftext|>": 50256}
        ),
        EncodingFacts(
            "r50k_base", "r50k_base", _R50K_SHA256, _R50K_PATTERN, {"<|endoftext|>": 50256}
        ),
        # GPT-2's own two files hold the same ids as r50k_base's one.
        EncodingFacts("gpt2", "r50k_base", _R50K_SHA256, _R50K_PATTERN, {"<|endoftext|>": 50256}),
    )
}
