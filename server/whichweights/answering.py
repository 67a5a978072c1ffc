"""What every answer is put together with: merged evidence, unknowns, GiB rounded once."""

from __future__ import annotations

from collections.abc import Iterable

from whichweights_schemas.evidence import Basis, Evidence, Unknown

GIB = 1 << 30
_SOURCE_CHARACTERS = 100


def gib(size_bytes: float) -> float:
    """Bytes as GiB with three decimals: the one place where memory is rounded."""
    return round(size_bytes / GIB, 3)


def gib_or_none(size_bytes: float | None) -> float | None:
    """Like `gib`, passing the unknown through."""
    return None if size_bytes is None else gib(size_bytes)


def short_source(source: str) -> str:
    """A source in one short line: of a list of sources the first ones, and how many more."""
    names = " ".join(source.split()).split("; ")
    shown = names[:1]
    for name in names[1:]:
        if len("; ".join((*shown, name))) > _SOURCE_CHARACTERS:
            break
        shown.append(name)
    more = f"; and {len(names) - len(shown)} more" if len(shown) < len(names) else ""
    return f"{'; '.join(shown)}{more}"


class EvidenceLog:
    """Collects who stands behind which field; entries of one source are merged, order kept."""

    def __init__(self) -> None:
        self._fields: dict[tuple[Basis, str, str | None, str | None], list[str]] = {}
        self._unknown: dict[str, str] = {}
        self._warnings: dict[str, None] = {}

    def add(
        self,
        fields: str | Iterable[str],
        basis: Basis,
        source: str,
        *,
        date: str | None = None,
        note: str | None = None,
    ) -> None:
        """Record that `source` stands behind these fields."""
        names = [fields] if isinstance(fields, str) else list(fields)
        known = self._fields.setdefault((basis, short_source(source), date, note), [])
        known.extend(name for name in names if name not in known)

    def extend(self, evidence: Iterable[Evidence], *, prefix: str = "") -> None:
        """Record ready-made evidence, its field names put under `prefix`."""
        for entry in evidence:
            fields = [f"{prefix}{name}" for name in entry.fields]
            self.add(fields, entry.basis, entry.source, date=entry.date, note=entry.note)

    def unknown(self, field: str, reason: str) -> None:
        """Record why a field is null; the first reason stays."""
        self._unknown.setdefault(field, reason)

    def warn(self, *sentences: str) -> None:
        """Record warnings, each once."""
        for sentence in sentences:
            self._warnings.setdefault(sentence)

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """The merged entries."""
        return tuple(
            Evidence(fields=tuple(fields), basis=basis, source=source, date=date, note=note)
            for (basis, source, date, note), fields in self._fields.items()
        )

    @property
    def unknowns(self) -> tuple[Unknown, ...]:
        """The null fields with their reasons."""
        return tuple(Unknown(field=f, reason=r) for f, r in self._unknown.items())

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings in the order they came."""
        return tuple(self._warnings)
