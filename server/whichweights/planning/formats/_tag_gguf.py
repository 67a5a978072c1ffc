"""GGUF tags inside file and repository names."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from whichweights.planning.formats.file_types import (
    FILE_TYPE_ALIASES,
    FILE_TYPES,
    REMOVED_FILE_TYPES,
)

__all__ = ["DYNAMIC_TAGS", "HAND_MIXES", "GgufTag", "HandMix", "find_gguf_tag", "find_shard"]


class HandMix(NamedTuple):
    """A tag that llama-quantize does not know: the base type its body is near to, and by whom.

    `embedding_and_output` is the type both ends get where the habit is that simple, else None.
    """

    base: str
    embedding_and_output: str | None
    habit: str


_DYNAMIC = "Unsloth dynamic: the publisher chose a type per tensor"
_LARGE_ENDS = "bartowski: that body, with embedding and output in Q8_0"

HAND_MIXES: Final = {
    "Q2_K_L": HandMix("Q2_K", "Q8_0", _LARGE_ENDS),
    "Q4_K_L": HandMix("Q4_K_M", "Q8_0", _LARGE_ENDS),
    "Q5_K_L": HandMix("Q5_K_M", "Q8_0", _LARGE_ENDS),
    "Q6_K_L": HandMix("Q6_K", "Q8_0", _LARGE_ENDS),
    "Q2_K_XL": HandMix("Q2_K", None, _DYNAMIC),
    "Q3_K_XL": HandMix("Q3_K_L", None, f"{_DYNAMIC}; or {_LARGE_ENDS}"),
    "Q4_K_XL": HandMix("Q4_K_M", None, _DYNAMIC),
    "Q5_K_XL": HandMix("Q5_K_M", None, _DYNAMIC),
    "Q6_K_XL": HandMix("Q6_K", None, _DYNAMIC),
    "Q8_K_XL": HandMix("Q8_0", None, _DYNAMIC),
}
"""Tags of file names only; the header of such a file carries the nearest base type."""

DYNAMIC_TAGS: Final = (
    *("UD-TQ1_0", "UD-IQ1_S", "UD-IQ1_M", "UD-IQ2_XXS", "UD-IQ2_M", "UD-IQ3_XXS", "UD-Q2_K_XL"),
    *("UD-Q3_K_XL", "UD-Q4_K_XL", "UD-Q5_K_XL", "UD-Q6_K_XL", "UD-Q8_K_XL"),
)
"""The usual Unsloth Dynamic tags; any other base type may follow the prefix too."""


class GgufTag(NamedTuple):
    """A tag as found: its canonical spelling, and whether the Unsloth prefix stood before it."""

    name: str
    dynamic: bool


def _pattern(tag: str) -> str:
    """Any separator, or none before a letter: "q4km" is Q4_K_M, "q40" is nothing."""
    first, *rest = tag.split("_")
    return first + "".join(("[-_. ]" if part[0].isdecimal() else "[-_. ]?") + part for part in rest)


# The last look-ahead keeps unknown size letters (Q4_K_N, Q4_K_MM) from passing for a tag.
# Longer tags first, so that Q4_K_M is not read as Q4_K; the order of the Hub's own decoder.
_NAMES: Final = sorted(
    {*FILE_TYPES, *REMOVED_FILE_TYPES, *FILE_TYPE_ALIASES, *HAND_MIXES}, key=lambda n: (-len(n), n)
)
_TAG: Final = re.compile(
    r"(?<![A-Z0-9])(?P<ud>UD[-_. ]?)?(?:"
    + "|".join(f"(?P<t{number}>{_pattern(name)})" for number, name in enumerate(_NAMES))
    + r")(?![A-Z0-9])(?![-_](?:[A-Z]|[XSML]{2,4})(?![A-Z0-9]))"
)
_SHARD: Final = re.compile(r"-(\d{5})-of-(\d{5})|\.part(\d{1,4})of(\d{1,4})", re.IGNORECASE)


def find_gguf_tag(text: str) -> GgufTag | None:
    """The last GGUF tag in a name, as the Hub decides; None where there is none.

    MXFP4 alone is not among them: outside a .gguf file it is another container.
    """
    matches = list(_TAG.finditer(text.upper()))
    if not matches:
        return None
    last = matches[-1]
    found = next(group for group in last.groupdict() if group != "ud" and last[group] is not None)
    name = _NAMES[int(found[1:])]
    return GgufTag(FILE_TYPE_ALIASES.get(name, name), last["ud"] is not None)


def find_shard(text: str) -> tuple[int, int] | None:
    """Number and count of a split file, "-00002-of-00005" or the old ".part1of2"."""
    match = _SHARD.search(text)
    if match is None:
        return None
    number, count = (group for group in match.groups() if group is not None)
    return int(number), int(count)
