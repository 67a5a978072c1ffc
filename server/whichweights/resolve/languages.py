"""A tag or the name of a language → a BCP-47 tag and its English name."""

from __future__ import annotations

from dataclasses import dataclass

from whichweights_schemas.errors import UnknownLanguage


@dataclass(frozen=True)
class ResolvedLanguage:
    """A language as asked, as tagged, and as called in English."""

    input: str
    tag: str
    name: str


def resolve_language(text: str) -> ResolvedLanguage:
    """The language of a tag ("pt-BR", "deu_Latn") or a name ("Farsi", "Deutsch").

    Raises UnknownLanguage with the nearest names. Imports langcodes at first use.
    """
    if not text.isprintable():  # the library reads memory it does not own at a NUL
        raise _unknown(text)
    import langcodes
    from langcodes.tag_parser import LanguageTagError

    try:
        tag = langcodes.standardize_tag(text)
        if langcodes.tag_is_valid(tag) and not _is_word(text):
            return ResolvedLanguage(text, tag, langcodes.Language.get(tag).display_name())
    except LanguageTagError:
        pass
    return _by_name(text)


def language_name(tag: str) -> str:
    """The English name of a valid tag."""
    import langcodes

    return langcodes.Language.get(tag).display_name()


def _is_word(text: str) -> bool:
    """A single word of four letters or more is a name ("thai", "urdu"), never a primary tag."""
    return text.isalpha() and len(text) > 3


def _by_name(text: str) -> ResolvedLanguage:
    import langcodes

    try:
        found = langcodes.find(text)
    except LookupError:
        raise _unknown(text) from None
    name = found.display_name()
    # The library drops what it cannot read: "klingonese123" becomes Klingon, and
    # "Portuguese (Brazil)" loses its region. Only plain words may name a language.
    if not all(character.isalpha() or character in " -'" for character in text):
        raise _unknown(text, name)
    return ResolvedLanguage(text, found.to_tag(), name)


def _unknown(text: str, near: str | None = None) -> UnknownLanguage:
    hint = 'give a BCP-47 tag such as "de" or "pt-BR", or an English name such as "German"'
    if "," in text or ";" in text:
        hint = 'several languages are a list: ["de", "pt-BR"]'
    return UnknownLanguage(
        f"“{text[:60]}” is neither a language tag nor the name of a language",
        field="languages",
        hint=hint,
        suggestions=(near,) if near else (),
    )
