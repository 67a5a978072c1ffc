"""Hosted models without known architecture, with dated list prices, from the embedded table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from whichweights_plugins.knowledge._tables import Row, load_rows
from whichweights_schemas.api_models import ApiModel, TokenPrices
from whichweights_schemas.evidence import Evidence
from whichweights_schemas.providers import ApiModelProvider, NoSettings
from whichweights_schemas.requests import FindApiModel

TABLE = "api_models"
PRICES_NOTE = "list price out of a public collection; the vendor's own price page was not read"

_WORD = re.compile(r"[a-z]+|\d+")
_LATEST = re.compile(r"\s*\(latest\)$")


@dataclass(frozen=True)
class _Index:
    rows: list[Row]
    by_name: dict[str, list[int]]


class KnowledgeApiModels(ApiModelProvider[NoSettings]):
    """Hosted models by id, `vendor/id`, display name or alias; case and separators do not count.

    Only whole names match, so that the first answer may be taken: the id as written, then the
    maker's own offer before the hosts', then the undated id before its snapshots.
    """

    _index: _Index | None = None

    async def find(self, request: FindApiModel) -> Sequence[ApiModel]:
        index = await self._loaded()
        if not request.query.strip():
            own = [place for place, row in enumerate(index.rows) if row["first_party"]]
            return [_model(place) for place in own[: request.limit]]
        found = _exact(index, request.query)
        return [_model(place) for place in found[: request.limit]]

    async def status(self) -> dict[str, str]:
        index = await self._loaded()
        return {"models": str(len(index.rows)), "date": max(row["date"] for row in index.rows)}

    async def warm(self) -> None:
        await self._loaded()

    async def _loaded(self) -> _Index:
        if self._index is None:
            self._index = await self.run_blocking(_load)
        return self._index


def find_row(query: str) -> Row | None:
    """The row of exactly this name, the maker's own first; reads the table at first use."""
    index = _load()
    found = _exact(index, query)
    return index.rows[found[0]] if found else None


def token_prices(row: Row) -> TokenPrices | None:
    """The list prices of a row, or None when none is published."""
    prices = row.get("prices")
    if prices is None:
        return None
    unknown = {"input_usd_per_mtok": None, "output_usd_per_mtok": None}
    return TokenPrices(**(unknown | prices), date=row["date"], source=row["source"])


def api_model(row: Row) -> ApiModel:
    """One row in the contract's shape."""
    fields = {field: row[field] for field in row.keys() - {"prices", "source", "date"}}
    evidence = [
        Evidence(fields=("api_model",), basis="published", source=row["source"], date=row["date"])
    ]
    if "prices" in row:
        evidence.append(
            Evidence(
                fields=("prices",),
                basis="published",
                source=row["source"],
                date=row["date"],
                note=PRICES_NOTE,
            )
        )
    return ApiModel(**fields, prices=token_prices(row), evidence=tuple(evidence))


@cache
def _model(place: int) -> ApiModel:
    return api_model(_load().rows[place])


@cache
def _load() -> _Index:
    rows = load_rows(TABLE)
    by_name: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        for name in {_plain(name) for name in _names(row)}:
            by_name.setdefault(name, []).append(place)
    return _Index(rows, by_name)


def _names(row: Row) -> list[str]:
    names = [row["id"], f"{row['vendor']}/{row['id']}", *row.get("aliases", ())]
    if "display_name" in row:
        plain = _LATEST.sub("", row["display_name"])
        names += [row["display_name"], plain, f"{row['vendor']} {plain}"]
    return names


def _plain(name: str) -> str:
    """Lower-case words and numbers, so that "Claude Opus 4.5" is "claude-opus-4-5"."""
    return " ".join(_WORD.findall(name.lower()))


def _exact(index: _Index, query: str) -> list[int]:
    places = index.by_name.get(_plain(query), [])
    asked = query.strip().lower()

    def order(place: int) -> tuple[bool, bool, int]:
        row = index.rows[place]
        own_id = asked in (row["id"].lower(), f"{row['vendor']}/{row['id']}".lower())
        return (not own_id, not row["first_party"], len(row["id"]))

    return sorted(places, key=order)
