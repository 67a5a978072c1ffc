"""What every shipped row must carry: who says so, and when."""

from __future__ import annotations

import re
from collections.abc import Sequence

from whichweights_plugins.knowledge._tables import Row

COLLECTED = "2026-11-20"
"""Day on which the raw facts were collected; the date of a source that bears none."""

UNDATED = f"the source bears no date; collected {COLLECTED}"

_DATE = re.compile(r"20\d\d-\d\d(-\d\d)?")


def without_provenance(rows: Sequence[Row]) -> list[str]:
    """One sentence for each row without a source, or whose date is no ISO date or month.

    A row says it in `source` and `date`, or for several sources in `sources`: [[name, date, …]].
    """
    found: list[str] = []
    for index, row in enumerate(rows):
        pairs = row.get("sources") or [[row.get("source"), row.get("date")]]
        for source, date, *_ in pairs:
            if not source or not _DATE.fullmatch(str(date)):
                found.append(f"row {index}: no source or date ({source!r}, {date!r})")
    return found


def repeated(rows: Sequence[Row], *fields: str) -> list[str]:
    """One sentence for each row whose `fields` another row has as well."""
    seen: set[str] = set()
    found: list[str] = []
    for index, row in enumerate(rows):
        key = repr([row.get(field) for field in fields])
        if key in seen:
            found.append(f"row {index}: {', '.join(fields)} {key} occurs twice")
        seen.add(key)
    return found
