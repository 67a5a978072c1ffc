"""Which encoding a name means, and for which families the message rule is documented.

The map follows tiktoken 0.14.0, `tiktoken/model.py`, read 2026-11. A name it does not know is not
guessed: a new family may have a new encoding.
"""

from __future__ import annotations

import re

from whichweights_plugins.tokenizers._encodings import ENCODINGS
from whichweights_schemas.tokenizing import MessageRule

MESSAGE_RULE = MessageRule(
    per_message=3,
    per_name=1,
    reply=3,
    documented_for=("gpt-3.5-turbo", "gpt-4", "gpt-4o", "gpt-4o-mini"),
    source="OpenAI Cookbook, How to count tokens with tiktoken, read 2026-11",
)

_OWNERS = re.compile(r"^(?:openai|openai-community)/", re.IGNORECASE)

# First match wins. `$|[-.]` keeps gpt-50 from being a gpt-5.
_FAMILIES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), encoding)
    for pattern, encoding in (
        (r"gpt-oss(?=$|[-:])", "o200k_harmony"),
        (r"(?:gpt-5|gpt-4\.1|gpt-4\.5)(?=$|[-.])", "o200k_base"),
        (r"(?:chatgpt-4o|gpt-4o|ft:gpt-4o)(?=$|[-:])", "o200k_base"),
        (r"(?:o1|o3|o4-mini)(?=$|-)", "o200k_base"),
        (r"(?:gpt-4|ft:gpt-4|gpt-3\.5|gpt-35-turbo|ft:gpt-3\.5-turbo)(?=$|[-:])", "cl100k_base"),
        (r"text-embedding-(?:3-(?:small|large)|ada-002)$", "cl100k_base"),
        (r"(?:ft:)?(?:davinci|babbage)-002(?=$|:)", "cl100k_base"),
        (r"text-davinci-00[23]$|code-(?:davinci|cushman)-00[12]$", "p50k_base"),
        (r"(?:text|code)-davinci-edit-001$", "p50k_edit"),
        (r"(?:text-(?:davinci|curie|babbage|ada)-001|davinci|curie|babbage|ada)$", "r50k_base"),
        (r"gpt-?2(?:-(?:medium|large|xl))?$", "gpt2"),
    )
)

_RULE_FAMILIES = re.compile(
    r"gpt-3\.5-turbo(?=$|-)|gpt-35-turbo(?=$|-)|gpt-4(?=$|-)|gpt-4o(?:-mini)?(?:-\d{4}-\d\d-\d\d)?$"
)
_NEWER_CHAT_FAMILIES = re.compile(
    r"(?:(?:ft:)?gpt-4o|chatgpt-4o|gpt-4\.1|gpt-4\.5|gpt-5|o1|o3|o4-mini)(?=$|[-.:])"
)


def encoding_of(name: str) -> str | None:
    """The encoding's name: of an encoding itself or of an OpenAI model; None for anything else."""
    plain = _plain(name)
    if plain in ENCODINGS:
        return plain
    return next((encoding for family, encoding in _FAMILIES if family.match(plain)), None)


def message_rule_of(name: str) -> MessageRule | None:
    """The documented overhead rule; marked `carried_over` for later chat models of its encoding."""
    plain = _plain(name)
    documented = _RULE_FAMILIES.match(plain) is not None
    if not documented and not _NEWER_CHAT_FAMILIES.match(plain):
        return None
    # Tool definitions: 7 tokens each in gpt-4o and gpt-4o-mini, 10 in gpt-3.5 and gpt-4.
    old = documented and not plain.startswith("gpt-4o")
    update = {"per_tool": 10 if old else 7, "carried_over": not documented}
    return MESSAGE_RULE.model_copy(update=update)


def known_names() -> tuple[str, ...]:
    """Encodings and one name of each family, for suggestions."""
    families = (
        "gpt-5",
        "gpt-4.1",
        "gpt-4o",
        "gpt-4o-mini",
        "o1",
        "o3",
        "o4-mini",
        "gpt-4",
        "gpt-3.5-turbo",
        "text-embedding-3-small",
        "text-embedding-3-large",
        "openai/gpt-oss-20b",
        "openai/gpt-oss-120b",
    )
    return (*ENCODINGS, *families)


def _plain(name: str) -> str:
    return _OWNERS.sub("", name.strip()).lower()
