"""Asks providers for everything a recommendation ranks: models, skill tables, languages, prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from whichweights.planning.language_coverage import Coverage, cover
from whichweights.registry import ProviderSession
from whichweights.resolve.language_evidence import join_evidence
from whichweights.resolve.languages import ResolvedLanguage
from whichweights.resolve.models import resolve_model
from whichweights.resolve.undecided import refuse_undecided
from whichweights_schemas.api_models import ApiModel
from whichweights_schemas.languages import LanguageEvidence, ModelScore, ScoreEvidence
from whichweights_schemas.models import ModelSpec
from whichweights_schemas.providers import (
    ApiModelProvider,
    LanguageProvider,
    ModelProvider,
    ScoreProvider,
)
from whichweights_schemas.requests import (
    CandidateFilter,
    FindApiModel,
    LanguageQuestion,
    ScoreQuestion,
    SkillTableQuestion,
)

# More than any vendor lists; a provider is asked for all first-party models at once.
_HOSTED = 2_000


@dataclass(frozen=True)
class Pool:
    """`wanted`: the models to choose from · `known`: all, to set the scales of the scores."""

    wanted: tuple[ModelSpec, ...]
    known: tuple[ModelSpec, ...]
    notes: tuple[str, ...] = ()


async def gather_pool(session: ProviderSession, names: Sequence[str]) -> Pool:
    """Every instruction-tuned model the providers offer, or only the named ones.

    Raises ModelNotFound, AmbiguousModel and UnsupportedArchitecture for a name, ProviderTimeout or
    ProviderFailed where no model is left because a catalogue is silent.
    """
    known: dict[str, ModelSpec] = {}
    wanted = CandidateFilter()
    offers = session.batches(ModelProvider, lambda p: p.candidates(wanted), where=_has_candidates)
    async for _, batch in offers:
        for spec in batch:
            known.setdefault(spec.id, spec)
    if not known and not names:
        refuse_undecided(
            session, ModelProvider, subject="there is no model to choose from", field="source"
        )
    if not names:
        specs = tuple(known.values())
        return Pool(specs, specs)
    named: dict[str, ModelSpec] = {}
    notes: list[str] = []
    for name in names:
        resolved = await resolve_model(session, name, argument="candidates")
        named.setdefault(resolved.spec.id, resolved.spec)
        notes.extend(resolved.notes)
    return Pool(tuple(named.values()), tuple({**known, **named}.values()), tuple(notes))


def _has_candidates(provider: ModelProvider[Any]) -> bool:
    """Whether to ask at all: one that only answers questions about named models has none."""
    base = cast("type[ModelProvider[Any]]", ModelProvider)
    return type(provider).candidates is not base.candidates and not provider.last_resort


async def skill_table(session: ProviderSession, skills: tuple[str, ...]) -> Sequence[ModelScore]:
    """All published rows of these skills, of all providers."""
    question = SkillTableQuestion(skills=skills)
    tables = [rows for _, rows in await session.all(ScoreProvider, lambda p: p.table(question))]
    return tables[0] if len(tables) == 1 else [row for rows in tables for row in rows]


async def coverage_of(
    session: ProviderSession,
    specs: Sequence[ModelSpec],
    languages: Sequence[ResolvedLanguage],
    context_tokens: int,
) -> list[tuple[Coverage, ...]]:
    """Coverage of every language by every model; each provider is asked once for all of them."""
    questions = [
        LanguageQuestion(model=spec, language=language.tag, context_tokens=context_tokens)
        for spec in specs
        for language in languages
    ]

    async def ask(provider: LanguageProvider[Any]) -> list[LanguageEvidence]:
        return [await provider.evidence(question) for question in questions]

    answers = [found for _, found in await session.all(LanguageProvider, ask)]
    covered = [
        cover(
            join_evidence([answer[place] for answer in answers]),
            question.language,
            context_tokens=context_tokens,
            window_tokens=question.model.max_context_tokens,
        )
        for place, question in enumerate(questions)
    ]
    width = len(languages)
    return [tuple(covered[start : start + width]) for start in range(0, len(covered), width)]


async def scores_of(session: ProviderSession, spec: ModelSpec, skill: str) -> ScoreEvidence:
    """What all providers have on one model and one skill."""
    question = ScoreQuestion(model=spec, skill=skill)
    found = [e for _, e in await session.all(ScoreProvider, lambda p: p.evidence(question))]
    return ScoreEvidence(
        scores=tuple(row for evidence in found for row in evidence.scores),
        priors=tuple(row for evidence in found for row in evidence.priors),
    )


async def hosted_models(session: ProviderSession) -> Sequence[ApiModel]:
    """All first-party hosted models of the first provider that has any."""
    request = FindApiModel(limit=_HOSTED)
    return await session.first(ApiModelProvider, lambda p: p.find(request)) or ()
