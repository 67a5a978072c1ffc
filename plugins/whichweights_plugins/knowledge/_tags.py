"""Which rows of a table may answer for a language tag, and when that must be said."""

from __future__ import annotations

_MEMBERS: dict[str, str] = {
    "als": "sq",
    "arb": "ar",
    "azj": "az",
    "cmn": "zh",
    "ekk": "et",
    "gaz": "om",
    "khk": "mn",
    "kmr": "ku",
    "lvs": "lv",
    "nb": "no",
    "npi": "ne",
    "ory": "or",
    "pbt": "ps",
    "pes": "fa",
    "plt": "mg",
    "swh": "sw",
    "tl": "fil",
    "uzn": "uz",
    "ydd": "yi",
    "zsm": "ms",
}
"""Members of a macrolanguage that are commonly meant by its tag (ISO 639-3 registry; distance 0
or 1 in CLDR's language matching). Nynorsk, Cantonese and Arabic dialects are not here."""


_CHINESE_SCRIPTS = {"tw": "hant", "hk": "hant", "mo": "hant", "cn": "hans", "sg": "hans"}


def candidates(tag: str) -> tuple[str, ...]:
    """Lower-case tags whose rows may answer for this one, nearest first.

    The tag itself, then without region, then without script, each with the tags that mean the same
    language (nb for no, fil for tl, zh-Hans for zh).
    """
    language, script, region = subtags(tag)
    found = [tag.lower().replace("_", "-")]
    for parts in ((script, region), (script,), (region,), ()):
        suffix = [part for part in parts if part]
        found.extend("-".join([name, *suffix]) for name in _same_language(language))
    if language in ("zh", "cmn") and not script:
        found.append("zh-hans")
    return tuple(dict.fromkeys(found))


def _same_language(language: str) -> tuple[str, ...]:
    """The subtag, then the others that are commonly meant by it."""
    if language in _MEMBERS:
        return language, _MEMBERS[language]
    return language, *(member for member, macro in _MEMBERS.items() if macro == language)


def subtags(tag: str) -> tuple[str, str, str]:
    """Language, script and region of a tag in lower case, empty where it names none.

    Chinese without a script has the one its region writes.
    """
    language, *rest = tag.lower().replace("_", "-").split("-")
    script = next((part for part in rest if len(part) == 4 and part.isalpha()), "")
    region = next((part for part in rest if len(part) == 2 and part.isalpha()), "")
    if language in ("zh", "cmn") and not script:
        script = _CHINESE_SCRIPTS.get(region, "")
    return language, script, region


def borrowed(asked: str, found: str) -> str | None:
    """What to say when a row of tag `found` answers for `asked`; None when they mean the same."""
    if found.lower() == asked.lower():
        return None
    language, script, region = subtags(asked)
    other, other_script, other_region = subtags(found)
    same = other in _same_language(language)
    if same and script in ("", other_script) and region in ("", other_region):
        return None
    return f"measured for {found}, asked for {asked}"
