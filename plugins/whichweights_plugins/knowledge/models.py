"""The embedded catalogue of open-weight models."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence

from whichweights_plugins.knowledge._model_names import MAX_QUERY_CHARACTERS, ModelNames
from whichweights_plugins.knowledge._tables import Row, load_rows
from whichweights_schemas.models import ModelRef, ModelRelative, ModelSpec
from whichweights_schemas.providers import ModelProvider, NoSettings, ProviderContext
from whichweights_schemas.requests import CandidateFilter, FindModel, ModelQuestion

_TABLE = "models"
_BATCH = 64


class CatalogueProvider(ModelProvider[NoSettings]):
    """Architecture, counts, context and licence of models, from the shipped table.

    The table is read at the first question; a row is validated when it is asked for.
    """

    def __init__(self, context: ProviderContext[NoSettings]) -> None:
        super().__init__(context)
        self._names: ModelNames | None = None
        self._rows: dict[str, Row] = {}
        self._specs: dict[str, ModelSpec] = {}

    async def find(self, request: FindModel) -> Sequence[ModelRef]:
        if len(request.query) > MAX_QUERY_CHARACTERS:
            return ()
        query, _, revision = request.query.strip().partition("@")
        hits = self._index().find(query, request.limit)
        return [
            ModelRef(
                id=hit.id,
                provider=self.name,
                display_name=self._rows[hit.id]["display_name"],
                kind=self._rows[hit.id].get("kind"),
                revision=revision or None,
                match=hit.match,
                note=hit.note,
            )
            for hit in hits
        ]

    async def spec(self, ref: ModelRef) -> ModelSpec | None:
        identifier = self._index().exact(ref.id)
        if identifier is None:
            return None
        spec = self._spec(identifier)
        if ref.revision is None:
            return spec
        note = f"revision {ref.revision} was not read: the catalogue has one entry a repository"
        return spec.model_copy(update={"notes": (*spec.notes, note)})

    async def candidates(self, request: CandidateFilter) -> AsyncIterator[Sequence[ModelSpec]]:
        """Batches of 64. Models whose kind nobody classified come along with instruct ones."""
        batch: list[ModelSpec] = []
        for spec in self._chosen(request):
            batch.append(spec)
            if len(batch) == _BATCH:
                yield tuple(batch)
                batch = []
        if batch:
            yield tuple(batch)

    async def relatives(self, request: ModelQuestion) -> Sequence[ModelRelative]:
        identifier = self._index().exact(request.ref.id)
        if identifier is None:
            return ()
        return self._relatives(self._rows[identifier])[: request.limit]

    async def status(self) -> dict[str, str]:
        self._index()
        rows = self._rows.values()
        dates = {entry["date"] for row in rows for entry in row["evidence"]}
        return {"models": str(len(rows)), "date": max(dates)}

    async def warm(self) -> None:
        self._index()

    def _index(self) -> ModelNames:
        if self._names is None:
            rows = load_rows(_TABLE)
            self._rows = {row["id"]: row for row in rows}
            self._names = ModelNames(rows)
        return self._names

    def _spec(self, identifier: str) -> ModelSpec:
        known = self._specs.get(identifier)
        if known is None:
            known = self._specs[identifier] = ModelSpec.model_validate(self._rows[identifier])
        return known

    def _chosen(self, request: CandidateFilter) -> Iterator[ModelSpec]:
        index = self._index()
        wanted = {index.exact(identifier) for identifier in request.ids}
        for identifier, row in self._rows.items():
            if request.ids:
                if identifier in wanted:
                    yield self._spec(identifier)
            elif row.get("kind", "instruct") in request.kinds and _small_enough(row, request):
                yield self._spec(identifier)

    def _relatives(self, row: Row) -> list[ModelRelative]:
        found: dict[str, ModelRelative] = {}
        base: str | None = row.get("base_model")
        if base is not None:
            listed = self._rows.get(base)
            found[base] = ModelRelative(
                id=base,
                relation="base",
                parameters=None if listed is None else _total(listed),
                note="not in the catalogue" if listed is None else None,
            )
        for other in self._rows.values():
            if other.get("base_model") == row["id"]:
                found[other["id"]] = _tuned(row, other)
        family = row.get("family")
        siblings = [other for other in self._rows.values() if other.get("family") == family]
        for other in sorted(siblings, key=lambda other: _total(other) or 0):
            if family and other["id"] != row["id"] and other["id"] not in found:
                found[other["id"]] = ModelRelative(
                    id=other["id"], relation="same_family", parameters=_total(other)
                )
        return list(found.values())


def _total(row: Row) -> int | None:
    return row["parameters"].get("total")


def _small_enough(row: Row, request: CandidateFilter) -> bool:
    """A model whose size is not known may be small enough."""
    total = _total(row)
    return request.max_parameters is None or total is None or total <= request.max_parameters


def _tuned(row: Row, other: Row) -> ModelRelative:
    """What a model made from `row` is to it."""
    if "distill" in other["id"].lower():
        relation = "distilled"
    elif other.get("family") == row.get("family") and other.get("kind") == "instruct":
        relation = "instruct"
    else:
        relation = "finetuned"
    return ModelRelative(id=other["id"], relation=relation, parameters=_total(other))
