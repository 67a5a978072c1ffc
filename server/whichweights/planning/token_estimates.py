"""Token counts without the tokenizer, or without the text: always a band, never a bare number.

`of_text` weighs what modern vocabularies spend on words, digits, punctuation and scripts. The
weights are a least-squares fit (2026-11) to the mean of nine vocabularies (cl100k, o200k, Llama 3,
Qwen 3, DeepSeek V3, Tekken, Gemma 3, GLM-4, Kimi K2) over 341 texts: English documents, Python,
JavaScript, CSS, HTML, JSON, base64, hexadecimal, and one programme's messages in 72 languages. Of
the (text, vocabulary) pairs 97 % lie in the band where nine tenths of the text are ASCII; of the
others 90 % lay in a narrower band than the one used. The fit saw the same texts: take it for 90 %.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from whichweights_schemas.evidence import Band
from whichweights_schemas.languages import Fertility

WORDS_A_PAGE = 300
ASCII_BAND = (0.75, 1.45)
OTHER_BAND = (0.48, 2.05)

_SAMPLED_CHARACTERS = 200_000
_SLICES = 50
_WORD_PIECE = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_PIECE = 1.172
_LONG_PIECE_LETTER = 0.187
_WHOLE_LETTERS = 5
_CLASSES: tuple[tuple[re.Pattern[str], float], ...] = tuple(
    (re.compile(pattern), weight)
    for pattern, weight in (
        (r"[0-9]", 0.797),
        (r"[!-/:-@\[-`{-~]", 0.382),
        (r"\n", 0.843),
        (r"[\u0080-\u024f\u1e00-\u1eff]", 0.669),
        (r"[\u0370-\u03ff\u1f00-\u1fff]", 0.575),
        (r"[\u0400-\u052f]", 0.477),
        (r"[\u0590-\u06ff]", 0.577),
        (r"[\u0900-\u0dff]", 0.78),
        (r"[\u0e00-\u10ff\u1780-\u17ff]", 0.995),
        (r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]", 0.69),
        (r"[\uac00-\ud7af]", 0.829),
        (
            r"[\u0250-\u036f\u0530-\u058f\u0700-\u08ff\u1100-\u177f\u1800-\u1dff"
            r"\u2000-\u303f\u3100-\u33ff\u4dc0-\u4dff\ua000-\uabff\ud7b0-\U0010ffff]",
            1.016,
        ),
    )
)

_WORDS = (
    "af 1.02, ar 0.92, az 0.83, be 0.90, bg 0.99, ca 1.09, ckb 0.88, cs 0.92, cy 1.03, "
    "da 0.96, de 0.97, dsb 0.93, el 1.09, en 1.0, eo 1.00, es 1.09, et 0.82, eu 0.83, fa 1.09, "
    "fi 0.75, fr 1.25, ga 1.14, gd 1.24, gl 1.06, he 0.83, hr 0.91, hsb 0.91, hu 0.92, "
    "hy 0.87, ia 1.10, id 0.92, is 0.99, it 1.03, ka 0.81, ko 0.73, ky 0.77, lt 0.81, lv 0.84, "
    "mk 1.04, ml 0.78, mn 0.86, mr 0.94, ms 0.93, nb 0.93, ne 0.93, nl 1.02, nn 0.95, pl 0.93, "
    "pt 1.06, ro 1.03, ru 0.95, sk 0.90, sl 0.92, sq 1.11, sr 0.95, sv 0.93, sw 0.88, tg 1.04, "
    "tk 0.80, tr 0.87, ug 0.84, uk 0.90, vi 1.31"
)
WORDS_PER_ENGLISH_WORD = {
    tag: float(words) for tag, words in (entry.split() for entry in _WORDS.split(", "))
}
"""Words a language needs for what English says in one, where white space separates words.

Own measurement, 2026-11: the message catalogues of Django (BSD-3-Clause), 128 to 249 messages of
four words or more a language, the same ones in English. Prose differs by about 15 %."""

WORDS_SOURCE = "words per English word: message catalogues of Django, own measurement"
_UNMEASURED_WORDS = 0.9

_ENGLISH_PROSE = (0.88, 1.35)
_OTHER_PROSE = (0.65, 1.65)
_PAGE_LENGTHS = (0.75, 1.5)


@dataclass(frozen=True)
class Amount:
    """A text that is not there: a number of words or of pages in a language."""

    language: str
    words: int | None = None
    pages: int | None = None

    @property
    def primary(self) -> str:
        """The language without script and region."""
        return self.language.partition("-")[0].lower()

    @property
    def english_words(self) -> float:
        """Words the same text has in English. A page is one of 300 English words, translated."""
        if self.pages is not None:
            return float(self.pages * WORDS_A_PAGE)
        return (self.words or 0) / WORDS_PER_ENGLISH_WORD.get(self.primary, _UNMEASURED_WORDS)


def of_text(text: str) -> Band:
    """About how many tokens a modern vocabulary has for the text; long texts are sampled."""
    if not text:
        return Band(value=0, low=0, high=0)
    sample = _sample(text)
    pieces = letters = 0
    for piece in _WORD_PIECE.finditer(sample):
        pieces += 1
        letters += max(0, len(piece.group()) - _WHOLE_LETTERS)
    weighed = pieces * _PIECE + letters * _LONG_PIECE_LETTER
    weighed += sum(len(found.findall(sample)) * weight for found, weight in _CLASSES)
    value = max(1.0, weighed * len(text) / len(sample))
    ascii_share = sum(map(str.isascii, sample)) / len(sample)
    low, high = ASCII_BAND if ascii_share >= 0.9 else OTHER_BAND
    # A handful of tokens may be off by one or two whatever their share is.
    return Band(value=round(value), low=max(1, int(value * low) - 1), high=int(value * high) + 2)


def of_amount(amount: Amount, rows: Sequence[Fertility]) -> Band | None:
    """Tokens of a text nobody has, from measured ratios to English; None without a row.

    One row: the model's own vocabulary. Several: vocabularies that stand in for an unknown one, and
    the band spans them. The band covers prose of other kinds than the measured news and
    declarations (tokens per English word 0.91 to 1.0 of the news figure in declarations, up to 1.35
    in technical prose), the length of words, and pages of 225 to 450 words.
    """
    per_word = [
        row.tokens_per_english_word * row.ratio_to_english
        for row in rows
        if row.tokens_per_english_word is not None
    ]
    if not per_word:
        return None
    words = amount.english_words
    low, high = _ENGLISH_PROSE if amount.primary == "en" else _OTHER_PROSE
    if amount.pages is not None:
        low, high = low * _PAGE_LENGTHS[0], high * _PAGE_LENGTHS[1]
    middle = sorted(per_word)[len(per_word) // 2]
    return Band(
        value=round(words * middle),
        low=int(words * min(per_word) * low),
        high=int(words * max(per_word) * high) + 1,
    )


def _sample(text: str) -> str:
    """All of a short text; of a long one slices spread evenly over it."""
    if len(text) <= _SAMPLED_CHARACTERS:
        return text
    size = _SAMPLED_CHARACTERS // _SLICES
    return "".join(
        text[start : start + size]
        for start in (i * (len(text) - size) // (_SLICES - 1) for i in range(_SLICES))
    )
