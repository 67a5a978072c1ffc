"""OpenAI's encodings, exact and offline: tiktoken on vocabularies proved by their hash."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from whichweights_plugins.tokenizers import _openai_names as names
from whichweights_plugins.tokenizers import _vocabulary as vocabulary
from whichweights_plugins.tokenizers._encodings import ENCODINGS, EncodingFacts
from whichweights_schemas._base import Settings
from whichweights_schemas.errors import InputTooLarge, ProviderFailed
from whichweights_schemas.evidence import Evidence
from whichweights_schemas.providers import ProviderContext, TokenizerProvider
from whichweights_schemas.requests import TokenizerRequest
from whichweights_schemas.tokenizing import MessageRule, Tokenizer, TokenizerIdentity

if TYPE_CHECKING:  # tiktoken loads at the first question, not at import
    import tiktoken

MAX_TEXT_BYTES = 8_000_000
"""Largest text of one call in UTF-8 bytes: about a second of work (11 MB/s measured 2026-11)."""

MAX_BLANK_RUN = 900_000
"""Longest unbroken run of blanks in characters. From about 1,000,000 on tiktoken 0.14.0 panics:
o200k_base wherever the run stands, cl100k_base before a letter (tried 2026-11)."""

# Python counts the separators 1C to 1F as white space, the pattern's Unicode \s does not.
_BLANKS = re.compile(r"[^\S\r\n\x1c-\x1f]+")


class OpenAIEncodingsSettings(Settings):
    """`data_dir`: a folder with `<encoding>.tiktoken` files, plain or gzip, looked at first."""

    data_dir: str | None = None


class OpenAIEncodings(TokenizerProvider[OpenAIEncodingsSettings]):
    """Encodings by name and by OpenAI model. Raises NoTokenizer without the vocabulary."""

    settings_model = OpenAIEncodingsSettings

    def __init__(self, context: ProviderContext[OpenAIEncodingsSettings]) -> None:
        super().__init__(context)
        self._loaded: dict[str, tuple[tiktoken.Encoding, TokenizerIdentity]] = {}
        self._loading = threading.Lock()

    async def tokenizer(self, request: TokenizerRequest) -> Tokenizer | None:
        name = request.name if request.model is None else request.model.id
        encoding = names.encoding_of(name)
        if encoding is None:
            return None
        rule = names.message_rule_of(name)
        return await self.run_blocking(self._tokenizer, ENCODINGS[encoding], rule)

    async def known_names(self) -> Sequence[str]:
        return names.known_names()

    async def status(self) -> dict[str, str]:
        return {name: identity.source for name, (_, identity) in self._loaded.items()}

    async def warm(self) -> None:
        await self.run_blocking(self._tokenizer, ENCODINGS["o200k_base"], None)

    def _tokenizer(self, facts: EncodingFacts, rule: MessageRule | None) -> Tokenizer:
        """Blocking: 0.2 to 0.8 s the first time an encoding is asked for, nothing after."""
        with self._loading:
            if facts.name not in self._loaded:
                places = vocabulary.places(facts, self.settings.data_dir)
                self._loaded[facts.name] = _build(facts, vocabulary.load(facts, places))
            encoding, identity = self._loaded[facts.name]
        return OpenAITokenizer(encoding, identity, rule)


class OpenAITokenizer(Tokenizer):
    """One encoding. Text of special tokens counts as the text it is.

    Half of a surrogate pair, which UTF-8 cannot express, is counted as U+FFFD; both halves in a row
    as the character they form. Raises InputTooLarge beyond MAX_TEXT_BYTES and MAX_BLANK_RUN.
    """

    def __init__(
        self, encoding: tiktoken.Encoding, identity: TokenizerIdentity, rule: MessageRule | None
    ) -> None:
        self._encoding = encoding
        self.identity = identity
        self.message_rule = rule

    def count(self, text: str) -> int:
        return len(self.encode(text))

    def encode(self, text: str) -> Sequence[int]:
        return encode_ordinary(self._encoding, accepted(text))

    def token_bytes(self, token: int) -> bytes:
        try:
            return self._encoding.decode_single_token_bytes(token)
        except OverflowError:
            raise KeyError(token) from None


def encode_ordinary(encoding: tiktoken.Encoding, text: str) -> list[int]:
    """Token ids. Raises ProviderFailed where tiktoken panics: its panic is no `Exception` and would
    end the process.
    """
    try:
        return encoding.encode_ordinary(text)
    except BaseException as error:
        if type(error).__module__ != "pyo3_runtime":
            raise
        raise ProviderFailed(
            f"tiktoken {encoding.name} cannot encode this text ({error}).",
            field="text",
            hint="Remove very long runs of one kind of character.",
        ) from error


def accepted(text: str) -> str:
    """The text as it is counted: lone surrogates replaced. Raises InputTooLarge."""
    try:
        too_large = len(text) > MAX_TEXT_BYTES or len(text.encode()) > MAX_TEXT_BYTES
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        too_large = len(text.encode()) > MAX_TEXT_BYTES
    if too_large:
        raise InputTooLarge(
            f"The text is larger than {MAX_TEXT_BYTES:,} bytes, the most one call counts.",
            field="text",
            hint="Split it at paragraphs and add the counts up: the sum is a little high.",
        )
    if has_long_blank_run(text):
        raise InputTooLarge(
            f"The text holds an unbroken run of more than {MAX_BLANK_RUN:,} blanks.",
            field="text",
            hint="Remove the run or break it with newlines; the tokenizer cannot take it whole.",
        )
    return text


def has_long_blank_run(text: str, limit: int = MAX_BLANK_RUN) -> bool:
    """Whether more than `limit` blanks (white space but CR and LF) follow each other.

    Such a run covers a multiple of `limit`, so only those positions are looked at: linear time.
    """
    for position in range(limit, len(text), limit):
        right = _BLANKS.match(text, position, position + limit)
        if right is None:
            continue
        left = _BLANKS.match(text[position - limit : position][::-1])
        if right.end() - position + (left.end() if left else 0) > limit:
            return True
    return False


def _build(
    facts: EncodingFacts, words: vocabulary.Vocabulary
) -> tuple[tiktoken.Encoding, TokenizerIdentity]:
    import tiktoken

    encoding = tiktoken.Encoding(
        facts.name,
        pat_str=facts.pattern,
        mergeable_ranks=words.ranks,
        special_tokens=dict(facts.special_tokens),
    )
    identity = TokenizerIdentity(
        name=facts.name,
        source=words.source,
        sha256=facts.sha256,
        vocabulary_size=encoding.n_vocab,
        evidence=Evidence(
            fields=("tokens",), basis="exact", source=f"{facts.name}, {words.source}"
        ),
    )
    return encoding, identity
