"""What quantize_plan asks providers beside the model itself: published copies and siblings."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from whichweights.answering import GIB
from whichweights.planning._weight_formats import GGUF_ENGINES
from whichweights.planning.quantize import FormatOption
from whichweights.planning.quantize_ways_out import fitting_sibling
from whichweights.planning.ready_made import (
    ReadyFile,
    files_of_format,
    repositories_of_format,
)
from whichweights.planning.running import RunRequest
from whichweights.registry import ProviderSession
from whichweights_schemas.models import ModelRef, ModelRelative, ModelSpec
from whichweights_schemas.providers import ModelProvider
from whichweights_schemas.requests import ModelQuestion

_RELATIVES_ASKED: Final = 100
_REPOSITORIES_LOOKED_INTO: Final = 4
_COPIES_SHOWN: Final = 2
_SIBLINGS_TRIED: Final = 6
_IN_GGUF: Final = {"MXFP4": "MXFP4_MOE"}
"""What llama.cpp calls a GGUF file of a maker's own format."""
_PRUNED: Final = re.compile(r"prune|minitron|sparse|(?<![a-z])reap(?![a-z])|2of4")


@dataclass(frozen=True)
class Copies:
    """Published copies of one format; `reason` says why there are none."""

    files: tuple[ReadyFile, ...]
    reason: str = ""


@dataclass(frozen=True)
class Relatives:
    """What providers know of a model's relatives, each with the provider that told of it."""

    rows: tuple[tuple[str, ModelRelative], ...]

    @property
    def quantized(self) -> tuple[tuple[str, ModelRelative], ...]:
        """The published quantized copies."""
        return tuple(row for row in self.rows if row[1].relation == "quantized")


async def relatives_of(spec: ModelSpec, session: ProviderSession) -> Relatives:
    """Ask every model provider for relatives."""

    async def ask(provider: ModelProvider[Any]) -> Sequence[ModelRelative]:
        ref = ModelRef(id=spec.id, provider=provider.name)
        return await provider.relatives(ModelQuestion(ref=ref, limit=_RELATIVES_ASKED))

    answers = await session.all(ModelProvider, ask, where=lambda p: p.may_know(spec.id))
    return Relatives(tuple((name, row) for name, rows in answers for row in rows))


async def ready_made(
    option: FormatOption, relatives: Relatives, session: ProviderSession
) -> Copies:
    """Published copies of the format of a plan, with real sizes, most downloaded first."""
    in_gguf = option.planned.run.engine in GGUF_ENGINES
    if option.native and not in_gguf:
        return Copies((), "the maker's own files are this format")
    quantized = relatives.quantized
    if not quantized:
        return Copies((), "no provider lists quantized copies")
    name = _IN_GGUF.get(option.name, option.name) if in_gguf else option.name
    provider_of = {row.id: name for name, row in reversed(quantized)}
    wanted = repositories_of_format(
        {row.id: row for _, row in reversed(quantized)}.values(), name, in_gguf=in_gguf
    )
    found: list[ReadyFile] = []
    for row in wanted[:_REPOSITORIES_LOOKED_INTO]:
        provider = provider_of[row.id]
        question = ModelQuestion(ref=ModelRef(id=row.id, provider=provider), limit=1_000)
        files = await session.one(
            ModelProvider, provider, lambda p, question=question: p.files(question)
        )
        copy = files_of_format(row, files or (), name)
        if copy is not None:
            found.append(copy)
        if len(found) == _COPIES_SHOWN:
            break
    if found:
        return Copies(tuple(found))
    return Copies((), f"none of {len(quantized)} quantized copies found is in this format")


async def smaller_sibling(
    spec: ModelSpec, request: RunRequest, relatives: Relatives, session: ProviderSession
) -> str | None:
    """The largest smaller model of the family, or made from this one, that fits as `auto` runs."""
    size = spec.parameters.total or 0
    smaller: dict[str, tuple[str, ModelRelative]] = {}
    for name, row in relatives.rows:
        if row.relation not in ("same_family", "distilled") and not _PRUNED.search(row.id.lower()):
            continue
        if row.parameters is not None and row.parameters < size:
            smaller.setdefault(row.id, (name, row))
    ordered = sorted(smaller.values(), key=lambda one: one[1].parameters or 0, reverse=True)
    async for sibling, row in _specs(ordered[:_SIBLINGS_TRIED], session):
        planned = fitting_sibling(sibling, request)
        if planned is not None:
            return (
                f"{_kinship(row)} {sibling.id} as {planned.run.quantization}: "
                f"{planned.plan.total / GIB:.1f} GiB, {planned.plan.verdict}; "
                "recommend_model compares their scores"
            )
    return None


def _kinship(row: ModelRelative) -> str:
    if _PRUNED.search(row.id.lower()):
        return "pruned variant"
    return "distilled sibling" if row.relation == "distilled" else "smaller sibling"


async def _specs(
    rows: Sequence[tuple[str, ModelRelative]], session: ProviderSession
) -> AsyncIterator[tuple[ModelSpec, ModelRelative]]:
    for provider, row in rows:
        ref = ModelRef(id=row.id, provider=provider)
        spec = await session.one(ModelProvider, provider, lambda p, ref=ref: p.spec(ref))
        if spec is not None:
            yield spec, row
