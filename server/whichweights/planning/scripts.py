"""The language a script gives away: only scripts that one language of today fills by itself."""

from __future__ import annotations

import re

_SAMPLED_CHARACTERS = 20_000
_ENOUGH_SHARE = 0.5
_LANGUAGES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (tag, re.compile(pattern))
    for tag, pattern in (
        ("el", r"[\u0370-\u03ff\u1f00-\u1fff]"),
        ("hy", r"[\u0530-\u058f]"),
        ("he", r"[\u0590-\u05ff]"),
        ("pa", r"[\u0a00-\u0a7f]"),
        ("gu", r"[\u0a80-\u0aff]"),
        ("or", r"[\u0b00-\u0b7f]"),
        ("ta", r"[\u0b80-\u0bff]"),
        ("te", r"[\u0c00-\u0c7f]"),
        ("kn", r"[\u0c80-\u0cff]"),
        ("ml", r"[\u0d00-\u0d7f]"),
        ("si", r"[\u0d80-\u0dff]"),
        ("th", r"[\u0e00-\u0e7f]"),
        ("lo", r"[\u0e80-\u0eff]"),
        ("my", r"[\u1000-\u109f]"),
        ("ka", r"[\u10a0-\u10ff]"),
        ("km", r"[\u1780-\u17ff]"),
        ("ko", r"[\u1100-\u11ff\uac00-\ud7af]"),
    )
)
_KANA = re.compile(r"[\u3040-\u30ff]")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_LETTER = re.compile(r"[^\W\d_]")


def language_of(text: str) -> str | None:
    """The tag of the language that most letters give away; None where a script serves several.

    Latin, Cyrillic, Arabic, Devanagari, Bengali, Ethiopic and Han without kana name no language.
    """
    sample = text[:_SAMPLED_CHARACTERS]
    letters = len(_LETTER.findall(sample))
    if not letters:
        return None
    kana = len(_KANA.findall(sample))
    if kana >= letters / 10 and kana + len(_HAN.findall(sample)) >= letters * _ENOUGH_SHARE:
        return "ja"
    for tag, script in _LANGUAGES:
        if len(script.findall(sample)) >= letters * _ENOUGH_SHARE:
            return tag
    return None
