"""What makers claim about languages. A claim, never a score; unlisted is not unsupported."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Literal

from whichweights_plugins.knowledge._lineage import canonical, without_storage
from whichweights_plugins.knowledge._tables import Row
from whichweights_plugins.knowledge._tags import candidates
from whichweights_schemas.evidence import Evidence
from whichweights_schemas.languages import OfficialClaim
from whichweights_schemas.models import ModelSpec

Status = Literal["listed", "not_listed", "unknown"]

_CURRENT_SINCE = "2025-01"
"""A list a vendor gives for all its current models is not applied to releases before this month:
our caution (such a page of 2026 says nothing of a model of 2023)."""

_READ = "date is when the list was read"
_UNLISTED = "the maker's list does not have it; unlisted does not mean unsupported"


def official_claim(
    spec: ModelSpec,
    tag: str,
    lists: Sequence[Row],
    scripts: frozenset[str],
    originals: Sequence[str] = (),
) -> OfficialClaim:
    """Whether the maker lists the language.

    `scripts`: those the language is known to be written in; a list that names the bare language
    says nothing of another script. `originals`: models whose weights this one stores.
    """
    model, row = _list_for([spec.id, *originals, *filter(None, [spec.base_model])], lists)
    if row is None:
        return OfficialClaim(status="unknown", note="no list of the maker is known for this model")
    status, note = _verdict(spec, tag, row, scripts)
    return OfficialClaim(
        status=status,
        claim_level=row.get("claim_level"),
        listed_count=row.get("listed_count"),
        note=note,
        unverified=tuple(row.get("unverified", ())),
        evidence=Evidence(
            fields=("official",),
            basis="published",
            source=row["source"],
            date=row["date"],
            note=_READ if model == spec.id else f"{_READ}; it is a list for {model}",
        ),
    )


def _verdict(
    spec: ModelSpec, tag: str, row: Row, scripts: frozenset[str]
) -> tuple[Status, str | None]:
    note: str | None = row.get("note")
    if row["languages"] is None:
        return "unknown", "; ".join(filter(None, ["no list was found", note]))
    if _outdated(spec, row):
        return "unknown", "the maker's list speaks of its current models; this one is older"
    listed = {language.lower() for language in row["languages"]}
    answering = next((name for name in candidates(tag) if name in listed), None)
    if answering is None:
        return "not_listed", "; ".join(filter(None, [_UNLISTED, note]))
    if _foreign_script(tag, answering, scripts):
        return "unknown", f"the list names {answering} without saying in which script"
    return "listed", note


def _list_for(models: Sequence[str], lists: Sequence[Row]) -> tuple[str, Row | None]:
    """The first model that a list's pattern fits, and the list whose pattern says most about it."""
    for model in models:
        found = [
            (len(pattern.rstrip("*")), row)
            for name in {canonical(model), without_storage(canonical(model))}
            for row in lists
            for pattern in row["applies_to"]
            if fnmatchcase(name, canonical(pattern))
        ]
        if found:
            return model, max(found, key=lambda pair: pair[0])[1]
    return "", None


def _outdated(spec: ModelSpec, row: Row) -> bool:
    vendor_wide = all(pattern.endswith("/*") for pattern in row["applies_to"])
    released = spec.release_date
    return vendor_wide and released is not None and released < _CURRENT_SINCE


def _foreign_script(tag: str, listed: str, scripts: frozenset[str]) -> bool:
    asked = {part for part in tag.lower().split("-") if len(part) == 4 and part.isalpha()}
    named = asked & set(listed.split("-"))
    return bool(asked and not named and scripts and not asked & scripts)
