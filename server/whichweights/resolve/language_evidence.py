"""Asks the language providers about one model and one language, and about better models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whichweights.planning.language_coverage import Coverage, cover
from whichweights.registry import ProviderSession
from whichweights.resolve.languages import ResolvedLanguage
from whichweights.resolve.undecided import refuse_undecided
from whichweights_schemas.languages import LanguageEvidence, LanguageScore
from whichweights_schemas.models import ModelSpec
from whichweights_schemas.providers import LanguageProvider
from whichweights_schemas.requests import LanguageQuestion, LeadersQuestion

# A suggestion must be better by more than the usual noise of a few points, and be measured.
_BETTER_BY = 5.0
_MEASURED = ("A", "B")
_LEADERS = 20
# Where nothing is known of the model itself, only a usable one is worth naming.
_USABLE = 60.0


@dataclass(frozen=True)
class LanguageFinding:
    """What is known of one language, and what follows."""

    language: ResolvedLanguage
    evidence: LanguageEvidence
    coverage: Coverage


async def find_language(
    session: ProviderSession, spec: ModelSpec, language: ResolvedLanguage, context_tokens: int
) -> LanguageFinding:
    """Evidence of all providers, joined, and the coverage that follows from it.

    Raises ProviderTimeout or ProviderFailed where there is none because a provider is silent.
    """
    evidence = await language_evidence(session, spec, language.tag, context_tokens)
    if evidence == LanguageEvidence():
        refuse_undecided(
            session,
            LanguageProvider,
            subject=f"nobody who answered has evidence on {language.name}",
            field="languages",
        )
    coverage = cover(
        evidence,
        language.tag,
        context_tokens=context_tokens,
        window_tokens=spec.max_context_tokens,
    )
    return LanguageFinding(language, evidence, coverage)


async def language_evidence(
    session: ProviderSession, spec: ModelSpec, tag: str, context_tokens: int
) -> LanguageEvidence:
    """The union of what the providers know; of claims and priors the first one."""
    question = LanguageQuestion(model=spec, language=tag, context_tokens=context_tokens)
    found = [e for _, e in await session.all(LanguageProvider, lambda p: p.evidence(question))]
    return join_evidence(found)


def join_evidence(found: Sequence[LanguageEvidence]) -> LanguageEvidence:
    """The union of several answers; of claims and priors the first one."""
    if len(found) == 1:
        return found[0]
    return LanguageEvidence(
        official=next((e.official for e in found if e.official), None),
        scores=tuple(row for e in found for row in e.scores),
        prior=next((e.prior for e in found if e.prior), None),
        fertility=tuple(row for e in found for row in e.fertility),
        retention=tuple(row for e in found for row in e.retention),
        ratings=tuple(row for e in found for row in e.ratings),
        family_means=tuple(row for e in found for row in e.family_means),
    )


async def leaders(session: ProviderSession, tag: str, limit: int = 10) -> Sequence[LanguageScore]:
    """The best measured models of a language, whatever their size."""
    wanted = LeadersQuestion(language=tag, limit=limit)
    found = [rows for _, rows in await session.all(LanguageProvider, lambda p: p.leaders(wanted))]
    rows = [row for some in found for row in some]
    return sorted(rows, key=lambda row: -(row.relative_to_p95 or 0))[:limit]


async def find_better(
    session: ProviderSession, spec: ModelSpec, finding: LanguageFinding, *, limit: int
) -> list[tuple[LanguageScore, Coverage]]:
    """Models no larger than this one whose measured coverage in the language is clearly better."""
    own = finding.coverage.coverage.value if finding.coverage.coverage else _USABLE - _BETTER_BY
    wanted = LeadersQuestion(
        language=finding.language.tag, max_parameters=spec.parameters.total, limit=_LEADERS
    )
    leaders = await session.all(LanguageProvider, lambda p: p.leaders(wanted))
    better: dict[str, tuple[LanguageScore, Coverage]] = {}
    for score in (score for _, scores in leaders for score in scores):
        coverage = cover(
            LanguageEvidence(scores=(score,)),
            finding.language.tag,
            context_tokens=0,
            window_tokens=None,
        )
        clear = coverage.coverage is not None and coverage.coverage.value > own + _BETTER_BY
        if clear and coverage.grade in _MEASURED and score.measured_model != spec.id:
            better.setdefault(score.measured_model, (score, coverage))
    return list(better.values())[:limit]
