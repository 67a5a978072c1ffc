"""Evidence about skills from the embedded tables: published scores, and priors by size class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from whichweights_plugins.knowledge._lineage import Kin, KnownModels
from whichweights_plugins.knowledge._sizes import size_class
from whichweights_plugins.knowledge._tables import Row, load_rows
from whichweights_schemas.evidence import Evidence
from whichweights_schemas.languages import ModelScore, ScoreEvidence, ScorePrior
from whichweights_schemas.models import ModelSpec
from whichweights_schemas.providers import NoSettings, ScoreProvider
from whichweights_schemas.requests import ScoreQuestion, SkillTableQuestion

_FIELDS = 13
_SIZE_EXPLAINS_LITTLE = "size explains little of it (R2 about 0.3 on BFCL v4): show the spread"


@dataclass(frozen=True)
class _Index:
    rows: dict[str, Row]
    known: KnownModels
    priors: list[Row]
    tables: dict[tuple[str, ...], tuple[ModelScore, ...]] = field(
        default_factory=dict[tuple[str, ...], tuple[ModelScore, ...]]
    )


class KnowledgeScores(ScoreProvider[NoSettings]):
    """Published benchmark scores: of the model itself, else of its base model, else of a variant of
    its family, labelled. Skills: agentic, coding, reasoning, knowledge, chat, math; empty: all.

    No vision benchmark and no arena rating by language is in the table.
    """

    _index: _Index | None = None

    async def evidence(self, request: ScoreQuestion) -> ScoreEvidence:
        index = await self._loaded()
        return ScoreEvidence(
            scores=_scores(index, request.model, request.skill),
            priors=_priors(index, request.model, request.skill),
        )

    async def table(self, request: SkillTableQuestion) -> Sequence[ModelScore]:
        index = await self._loaded()
        known = index.tables.get(request.skills)
        if known is None:
            known = await self.run_blocking(_table, index, request.skills)
            index.tables[request.skills] = known
        return known

    async def status(self) -> dict[str, str]:
        index = await self._loaded()
        dates = [date for row in index.rows.values() for _, date, _ in row["sources"]]
        scores = sum(len(row["scores"]) for row in index.rows.values())
        return {"models": str(len(index.rows)), "scores": str(scores), "date": max(dates)}

    async def warm(self) -> None:
        await self._loaded()

    async def _loaded(self) -> _Index:
        if self._index is None:
            self._index = await self.run_blocking(_load)
        return self._index


def _load() -> _Index:
    rows = {row["model"]: row for row in load_rows("scores")}
    return _Index(rows, KnownModels(rows), load_rows("score_priors"))


def _scores(index: _Index, spec: ModelSpec, skill: str) -> tuple[ModelScore, ...]:
    for kin in index.known.kin(spec):
        row = index.rows[kin.id]
        found = [score for score in row["scores"] if not skill or skill in score[4]]
        if found:
            return tuple(_score(row, score, kin, skill) for score in found)
    return ()


def _table(index: _Index, skills: tuple[str, ...]) -> tuple[ModelScore, ...]:
    """Every row of one of the skills, under the model's id; a row of two skills comes once."""
    return tuple(
        _score(row, packed, Kin(row["model"], "this_model"), skill).model_copy(
            update={"measured_model": row["model"]}
        )
        for row in index.rows.values()
        for packed in row["scores"]
        if (skill := next((name for name in skills if name in packed[4]), None)) is not None
    )


def _score(row: Row, packed: list[Any], kin: Kin, skill: str) -> ModelScore:
    values = packed + [None] * (_FIELDS - len(packed))
    label, place, benchmark, version, skills, metric, score, scale, mode, low, high, own, note = (
        values
    )
    source, date, undated = row["sources"][place]
    return ModelScore(
        skill=skill or skills[0],
        benchmark=benchmark,
        version=version,
        metric=metric,
        score=score,
        scale=scale,
        mode=mode,
        ci_low=low,
        ci_high=high,
        self_reported=own,
        measured_on=kin.measured_on,
        measured_model=row["labels"][label],
        evidence=Evidence(
            fields=("scores",),
            basis="published",
            source=source,
            date=date,
            note="; ".join(filter(None, [kin.note, note, undated])) or None,
        ),
    )


def _priors(index: _Index, spec: ModelSpec, skill: str) -> tuple[ScorePrior, ...]:
    size = size_class(spec)
    return tuple(
        _prior(row)
        for row in index.priors
        if row["size_class"] == size and skill in ("", row["skill"])
    )


def _prior(row: Row) -> ScorePrior:
    fields = {field: row[field] for field in ScorePrior.model_fields if field in row}
    evidence = Evidence(
        fields=("priors",),
        basis="prior",
        source=row["source"],
        date=row["date"],
        note=_SIZE_EXPLAINS_LITTLE,
    )
    return ScorePrior(**fields, evidence=evidence)
