"""Which devices a name means: forgiving about brands and spelling, strict about variants."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_SIZE = re.compile(r"\b(\d+(?:\.\d+)?)\s*(?:gib|gb|g)\b")
_CORES = re.compile(r"(\d+)[\s-]*core")
_WORD = re.compile(r"[a-z0-9]+")
_ASIDE = re.compile(r"\(((?!radeon)[^)]*)\)")
_COMPUTERS = re.compile(r"\b(imac|mac ?book|mac)( (pro|air|mini|studio))?\b")
_SXM = re.compile(r"sxm\d")

_BRANDS = frozenset(
    {"nvidia", "geforce", "rtx", "gtx", "tesla", "jetson", "amd", "instinct", "radeon", "rx"}
    | {"intel", "arc", "apple", "google", "graphics", "gpu", "gpus", "generation", "edition"}
    | {"chip", "w", "r", "tm"}
)
"""Say who makes a device, not which one it is: allowed and never required."""

_FORMS = frozenset(
    {"sxm", "sxm2", "sxm4", "sxm5", "sxm6", "pcie", "nvl", "hbm2e", "hbm3", "hbm3e", "144g", "ac"}
    | {"ada", "blackwell", "workstation", "server"}
)
"""Tell forms of one device apart: never required, but a device must have the one that is named."""

_FORM_ORDER = ("sxm", "workstation", "", "pcie", "server", "nvl")


@dataclass(frozen=True)
class DeviceName:
    """One device's spellings: each label's words that must be named, and all words it may have."""

    exact: frozenset[str]
    labels: tuple[frozenset[str], ...]
    words: frozenset[str]
    form: int

    @classmethod
    def of(cls, name: str, aliases: Sequence[str]) -> DeviceName:
        """The spellings of a device with this name and these driver names."""
        parts = [
            part
            for spelling in (name, *aliases)
            for part in (spelling, *re.split(r" / |\(radeon", spelling.lower()))
        ]
        found = [frozenset(words(part)) for part in parts]
        everything = frozenset[str]().union(*found)
        labels = {frozenset(label - _BRANDS - _FORMS - _cores(label)) for label in found}
        form = next(
            (
                word
                for word in ("sxm", "pcie", "nvl", "workstation", "server")
                if word in everything
            ),
            "",
        )
        return cls(
            exact=frozenset(plain(spelling) for spelling in (name, *aliases)),
            labels=tuple(label for label in labels if label),
            words=everything | _BRANDS,
            form=_FORM_ORDER.index(form),
        )

    def fits(self, asked: frozenset[str]) -> bool:
        """Whether the asked words name this device: none is foreign, no variant is missing.

        "RTX 4090" is therefore neither the laptop card nor the 4090 D.
        """
        return asked <= self.words and any(label <= asked for label in self.labels)


def plain(text: str) -> str:
    """Lower case, runs of anything else as one space: for whole-name comparison."""
    return " ".join(_WORD.findall(text.lower()))


def stated_gb(text: str) -> float | None:
    """The memory size a name states ("H100 80GB"), or None."""
    sizes = _SIZE.findall(text.lower())
    return float(sizes[-1]) if sizes else None


def words(text: str) -> set[str]:
    """The words of a name, without memory sizes; "30-core" and "Max-Q" are one word."""
    text = _ASIDE.sub(" ", text.lower()).replace("max-q", "maxq").replace("max q", "maxq")
    text = _CORES.sub(r" \1core ", _SIZE.sub(" ", text))
    found = set(_WORD.findall(text))
    return found | ({"sxm"} if any(_SXM.fullmatch(word) for word in found) else set())


def asked_words(text: str, vocabulary: Iterable[str]) -> frozenset[str]:
    """The words of a query; one that no device has is taken apart ("rtx4090ti", "m3max")."""
    known = frozenset(vocabulary)
    found: set[str] = set()
    for word in words(_COMPUTERS.sub(" ", text.lower())):
        found.update([word] if word in known else _apart(word, known) or [word])
    return frozenset(found)


def _cores(label: frozenset[str]) -> frozenset[str]:
    return frozenset(word for word in label if word.endswith("core"))


def _apart(word: str, known: frozenset[str]) -> list[str]:
    """The word as a run of known words, longest first; empty when it is none."""
    for end in range(len(word), 0, -1):
        head, rest = word[:end], word[end:]
        if head not in known:
            continue
        if not rest:
            return [head]
        tail = _apart(rest, known)
        if tail:
            return [head, *tail]
    return []
