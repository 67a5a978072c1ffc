"""The vocabulary a GGUF file carries: pieces, scores, merges, special tokens, chat templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from whichweights_plugins.formats._gguf_parsing import GgufScalar
from whichweights_plugins.formats._malformed import malformed
from whichweights_plugins.formats.gguf_header import GgufHeader

__all__ = [
    "BYTE",
    "CONTROL",
    "UNKNOWN",
    "UNUSED",
    "USER_DEFINED",
    "VOCABULARY_KEYS",
    "GgufVocabulary",
    "vocabulary_of",
]

UNKNOWN: Final = 2
CONTROL: Final = 3
USER_DEFINED: Final = 4
UNUSED: Final = 5
BYTE: Final = 6
_NORMAL: Final = 1
"""Kinds of pieces, `tokenizer.ggml.token_type` (ggml/docs/gguf.md; llama.h, read 2026-11)."""

_PREFIX: Final = "tokenizer.ggml."
_TEMPLATE: Final = "tokenizer.chat_template"
VOCABULARY_KEYS: Final = frozenset(
    _PREFIX + name for name in ("tokens", "scores", "token_type", "merges")
)
"""Arrays that must be kept whole to read a vocabulary."""


@dataclass(frozen=True, slots=True)
class GgufVocabulary:
    """What the header says; `model` and `pre` are llama.cpp's names of algorithm and split.

    `kinds` has one entry a piece, `scores` too unless the file has none. `templates` are by name,
    the one without a name is "default". `flags` are the switches the file sets.
    """

    model: str
    pre: str
    tokens: tuple[str, ...]
    kinds: tuple[int, ...]
    scores: tuple[float, ...]
    merges: tuple[str, ...]
    templates: Mapping[str, str]
    flags: Mapping[str, bool]
    special: Mapping[str, int]

    def token(self, name: str) -> str | None:
        """The text of a special token such as "bos", or None."""
        place = self.special.get(name)
        return self.tokens[place] if place is not None and place < len(self.tokens) else None


def vocabulary_of(header: GgufHeader) -> GgufVocabulary | None:
    """The vocabulary of a header that was read with VOCABULARY_KEYS; None where it has none.

    Raises:
        MalformedFile: the arrays do not fit each other, or are larger than any vocabulary.
    """
    model = header.text(_PREFIX + "model")
    tokens = cast("tuple[str, ...]", _array(header, "tokens", str))
    if model is None or not tokens:
        return None
    kinds = cast("tuple[int, ...]", _array(header, "token_type", int))
    scores = cast("tuple[float, ...]", _array(header, "scores", (int, float)))
    for name, values in (("token_type", kinds), ("scores", scores)):
        if values and len(values) != len(tokens):
            raise malformed(f"{len(values):,} values of {name} for {len(tokens):,} pieces")
    return GgufVocabulary(
        model=model,
        pre=header.text(_PREFIX + "pre") or "",
        tokens=tokens,
        kinds=kinds or (_NORMAL,) * len(tokens),
        scores=scores,
        merges=cast("tuple[str, ...]", _array(header, "merges", str)),
        templates=_templates(header),
        flags={
            key.removeprefix(_PREFIX): value
            for key, value in header.metadata.items()
            if key.startswith(_PREFIX) and isinstance(value, bool)
        },
        special={
            key.removeprefix(_PREFIX).removesuffix("_token_id"): value
            for key, value in header.metadata.items()
            if key.startswith(_PREFIX) and key.endswith("_token_id") and isinstance(value, int)
        },
    )


def _array(header: GgufHeader, name: str, kind: type | tuple[type, ...]) -> tuple[GgufScalar, ...]:
    """All values of an array; empty where the file has none."""
    value = header.metadata.get(_PREFIX + name)
    if value is None:
        return ()
    values = header.values(_PREFIX + name)
    if values is None or not all(isinstance(item, kind) for item in values):
        raise malformed(f"{_PREFIX}{name} is not the array it should be")
    length = getattr(value, "length", 0)
    if length != len(values):
        raise malformed(f"{_PREFIX}{name} has {length:,} values, more than any vocabulary")
    return values


def _templates(header: GgufHeader) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in header.metadata.items():
        if isinstance(value, str) and (key == _TEMPLATE or key.startswith(_TEMPLATE + ".")):
            found[key.removeprefix(_TEMPLATE).removeprefix(".") or "default"] = value
    return found
