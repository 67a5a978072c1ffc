"""Byte-pair vocabularies of tiktoken's form: exact, in steps that hold neither memory nor GIL."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from whichweights_schemas.errors import InputTooLarge, ProviderFailed
from whichweights_schemas.tokenizing import MessageRule, Tokenizer, TokenizerIdentity

if TYPE_CHECKING:  # tiktoken loads at the first question, not at import
    import tiktoken

T = TypeVar("T")

MAX_TEXT_BYTES = 8_000_000
"""Largest text of one call in UTF-8 bytes: about a second of work (11 MB/s measured 2026-11)."""

MAX_BLANK_RUN = 900_000
"""Longest unbroken run of blanks in characters. From about 1,000,000 on tiktoken 0.14.0 panics:
o200k_base wherever the run stands, cl100k_base before a letter (tried 2026-11)."""

_STEP_CHARACTERS = 1_000_000
_ID_BYTES = 4
# Python counts the separators 1C to 1F as white space, the pattern's Unicode \s does not.
_BLANKS = re.compile(r"[^\S\r\n\x1c-\x1f]+")
# No piece of any of the split patterns runs from a letter into white space, and none looks back:
# the pieces left and right of such a place are those of the whole text.
_SEAM = re.compile(r"(?<=[a-zA-Z])(?=[ \n])")


class BytePairTokenizer(Tokenizer):
    """One encoding. Text of special tokens counts as the text it is.

    `literal` are added tokens that the model's tokenizer finds in any text; `nfc` = it normalises
    text first. Half of a surrogate pair, which UTF-8 cannot express, is counted as U+FFFD; both
    halves in a row as the character they form. Raises InputTooLarge beyond MAX_TEXT_BYTES and
    MAX_BLANK_RUN.
    """

    def __init__(
        self,
        encoding: tiktoken.Encoding,
        identity: TokenizerIdentity,
        rule: MessageRule | None = None,
        *,
        literal: frozenset[str] = frozenset(),
        nfc: bool = False,
    ) -> None:
        self.encoding = encoding
        self.identity = identity
        self.message_rule = rule
        self._literal = literal
        self._nfc = nfc

    def count(self, text: str) -> int:
        steps = _steps(self._prepared(text))
        return sum(_count(self.encoding, step, self._literal) for step in steps)

    def encode(self, text: str) -> Sequence[int]:
        return self._ids(self._prepared(text))

    def token_bytes(self, token: int) -> bytes:
        try:
            return self.encoding.decode_single_token_bytes(token)
        except OverflowError:
            raise KeyError(token) from None

    def _prepared(self, text: str) -> str:
        text = accepted(text)
        return unicodedata.normalize("NFC", text) if self._nfc else text

    def _ids(self, text: str) -> list[int]:
        return encode(self.encoding, text, self._literal)


def encode_ordinary(encoding: tiktoken.Encoding, text: str) -> list[int]:
    """As `encode`, with no special token found in the text."""
    return encode(encoding, text, frozenset())


def encode(encoding: tiktoken.Encoding, text: str, found: frozenset[str]) -> list[int]:
    """Token ids; of the special tokens only those in `found` are seen in the text.

    Raises ProviderFailed where tiktoken panics: its panic is no `Exception` and would end the
    process.
    """
    if found:
        return _guarded(
            encoding,
            lambda: encoding.encode(text, allowed_special=set(found), disallowed_special=()),
        )
    return _guarded(encoding, lambda: encoding.encode_ordinary(text))


def _count(encoding: tiktoken.Encoding, text: str, found: frozenset[str]) -> int:
    """How many ids `encode` gives, without a list of them: a tenth faster, no GIL held for it.

    The buffer is that of tiktoken's own encode_to_numpy, which asks for numpy.
    """
    core: Any = getattr(encoding, "_core_bpe", None)
    in_buffer = getattr(core, "encode_to_tiktoken_buffer", None)
    if in_buffer is None:  # another version of tiktoken
        return len(encode(encoding, text, found))
    return _guarded(encoding, lambda: memoryview(in_buffer(text, set(found))).nbytes // _ID_BYTES)


def _guarded(encoding: tiktoken.Encoding, work: Callable[[], T]) -> T:
    try:
        return work()
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


def _steps(text: str) -> Iterator[str]:
    """The text in parts whose counts add up to its own."""
    start = 0
    while len(text) - start > _STEP_CHARACTERS:
        seam = _SEAM.search(text, start + _STEP_CHARACTERS)
        if seam is None:
            break
        yield text[start : seam.start()]
        start = seam.start()
    yield text[start:]
