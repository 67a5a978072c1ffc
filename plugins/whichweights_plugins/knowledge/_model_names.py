"""Matches what people type to the models of the catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property, lru_cache
from typing import Literal

from whichweights_plugins.knowledge._tables import Row

Match = Literal["id", "alias", "partial", "similar"]

MAX_QUERY_CHARACTERS = 256
"""Longer than any name; longer queries match nothing, at no cost."""

_REMEMBERED = 128
"""Names nobody knows whose nearest were looked up: a comparison with every name each."""

_SEPARATORS = str.maketrans("_-/", "   ")
_NUMBER_AFTER_WORD = re.compile(r"(?<=[a-z])(?=\d)")
_UNIT_APART = re.compile(r"(?<=\d) (?=[bm]\b)")
_BARE_SIZE = re.compile(r"(\d+x ?)?\d+(\.\d+)? ?[bmt]")
_INSTRUCT = frozenset(("instruct", "it", "chat", "hf"))
_BASE = frozenset(("base", "pt", "hf", "pretrained", "foundation"))
_FILE_DOT = re.compile(r"\.(?=gguf|i?q \d|bf ?16|fp? ?16)")
_QUANTIZED = re.compile(
    r"\b(gguf|ggml|awq|gptq|bnb|mlx|exl[23]|imatrix|i 1|quantized|nf 4|fp [48]|nvfp 4|mxfp 4|\d+k|"
    r"w 4a 16|w 8a 8|int ?[48]|[2-8] ?bits?|\d(\.\d+)?bpw|unsloth|dynamic|iq \d \w+( \w+)?|"
    r"q \d( \w)*)\b"
)


def normalise(text: str) -> str:
    """Lower case, runs of space, `_`, `-` and `/` as one space."""
    return " ".join(text.lower().translate(_SEPARATORS).split())


@lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """Normalised, with "qwen3" as "qwen 3" and "32 b" as "32b"."""
    return _UNIT_APART.sub("", _NUMBER_AFTER_WORD.sub(" ", normalise(text)))


@dataclass(frozen=True, slots=True)
class Hit:
    """A model a query could mean."""

    id: str
    match: Match
    note: str | None = None


@dataclass(frozen=True, slots=True)
class _Entry:
    id: str
    kind: str | None
    family: str | None
    base_model: str | None
    release_date: str
    name: str
    words: frozenset[str]

    def surplus(self, wanted: frozenset[str]) -> int:
        """Words of the bare name that were not asked for."""
        return len(frozenset(self.name.split()) - wanted - _INSTRUCT)


class ModelNames:
    """Index of the names of all rows; rows are not validated for it."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = {row["id"]: row for row in rows}
        self._ids = {identifier.lower(): identifier for identifier in self._rows}
        self._names: dict[str, str] = {}
        self._close = lru_cache(maxsize=_REMEMBERED)(self._closest)
        for row in self._rows.values():
            for alias in row.get("aliases", ()):
                for name in {alias, _bare(alias)}:
                    self._names.setdefault(canonical(name), row["id"])
        # An alias is a choice the table made, a bare name gives way to it.
        for row in self._rows.values():
            for name in (row["display_name"], row["id"], _bare(row["id"])):
                self._names.setdefault(canonical(name), row["id"])

    def find(self, query: str, limit: int) -> list[Hit]:
        """Models the query could mean, best first; nothing for a bare size or an endless query."""
        if len(query) > MAX_QUERY_CHARACTERS:
            return []
        typed = query.strip()
        exact = self._ids.get(typed.lower())
        if exact is not None:
            return [Hit(exact, "id")]
        wanted = canonical(typed)
        if not wanted or _BARE_SIZE.fullmatch(wanted):
            return []
        named = self._names.get(wanted)
        if named is not None:
            return [Hit(named, "alias", self._short_name_note(named, wanted))]
        found = self._elsewhere(typed) if "/" in typed else self._containing(wanted)
        return (found or self._unquantized(typed) or self._similar(wanted))[:limit]

    def exact(self, identifier: str) -> str | None:
        """The id as the catalogue writes it, whatever its case."""
        return self._ids.get(identifier.lower())

    @cached_property
    def _entries(self) -> list[_Entry]:
        """Only a part of a name needs them: most questions name a model whole."""
        return [_entry(row) for row in self._rows.values()]

    def _short_name_note(self, identifier: str, wanted: str) -> str | None:
        entry = _entry(self._rows[identifier])
        if entry.kind != "instruct" or entry.base_model is None or _INSTRUCT & {*wanted.split()}:
            return None
        base = [word for word in canonical(_bare(entry.base_model)).split() if word not in _BASE]
        if not frozenset(base) <= frozenset(wanted.split()):
            return None
        return f"means the instruct model; the base model is {entry.base_model}"

    def _containing(self, wanted: str) -> list[Hit]:
        words = frozenset(wanted.split())
        found = [entry for entry in self._entries if words <= entry.words]
        if not words & _BASE:
            tuned = {(entry.base_model, entry.family) for entry in found}
            found = [entry for entry in found if (entry.id, entry.family) not in tuned]
        found.sort(key=lambda entry: entry.id.lower())
        found.sort(key=lambda entry: entry.release_date, reverse=True)
        found.sort(key=lambda entry: entry.surplus(words))
        return [Hit(entry.id, "partial") for entry in found]

    def _elsewhere(self, typed: str) -> list[Hit]:
        """A repository id nobody here has: a copy under another owner, never a look-alike."""
        named = self._names.get(canonical(_bare(typed)))
        if named is None:
            return []
        return [Hit(named, "partial", f"taken as a copy of {named}, by its name")]

    def _unquantized(self, typed: str) -> list[Hit]:
        """The original behind the name of a quantized copy, whoever published it."""
        full = canonical(_bare(typed))
        name = _FILE_DOT.sub(" ", full)
        rest = normalise(_QUANTIZED.sub(" ", name))
        if rest == full or not rest or _BARE_SIZE.fullmatch(rest):
            return []
        note = "the original of a quantized copy; the files of the copy were not looked up"
        named = self._names.get(rest)
        hits = [Hit(named, "partial")] if named is not None else self._containing(rest)
        return [Hit(hit.id, "partial", note) for hit in hits]

    def _similar(self, wanted: str) -> list[Hit]:
        return [Hit(name, "similar") for name in self._close(wanted)]

    def _closest(self, wanted: str) -> tuple[str, ...]:
        close = get_close_matches(wanted, self._names, n=8, cutoff=0.7)
        return tuple(dict.fromkeys(map(self._names.__getitem__, close)))


def _entry(row: Row) -> _Entry:
    names: Sequence[str] = (row["id"], row["display_name"], *row.get("aliases", ()))
    everything = " ".join((*map(canonical, names), canonical(row.get("family", ""))))
    return _Entry(
        id=row["id"],
        kind=row.get("kind"),
        family=row.get("family"),
        base_model=row.get("base_model"),
        release_date=row.get("release_date", ""),
        name=canonical(_bare(row["id"])),
        words=frozenset(everything.split()),
    )


def _bare(identifier: str) -> str:
    return identifier.rsplit("/", 1)[-1]
