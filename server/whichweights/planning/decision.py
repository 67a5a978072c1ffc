"""The six questions of choosing a model, answered for one request from what was computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whichweights.planning.ability import percent
from whichweights.planning.language_coverage import Coverage
from whichweights.planning.ranking import Candidate, Weights
from whichweights.planning.running import PlannedRun
from whichweights_schemas.evidence import Band
from whichweights_schemas.models import ModelSpec
from whichweights_schemas.tools.recommend_model import (
    ApiAlternative,
    Decision,
    NamedScore,
    RecommendModelArguments,
)

__all__ = ["Facts", "Pick", "decide", "short_name", "smaller_rival"]

_GIB = 1 << 30
# Percentile points of quality within which a smaller model counts as a match. Our convention.
CLOSE = 5.0


@dataclass(frozen=True)
class Pick:
    """A model that fits, how it is run, and what is known of it. `languages` by tag."""

    candidate: Candidate
    planned: PlannedRun
    speed: Band | None
    languages: tuple[tuple[str, Coverage], ...]
    quality: NamedScore | None
    agentic: NamedScore | None

    @property
    def spec(self) -> ModelSpec:
        """The model."""
        return self.candidate.spec


@dataclass(frozen=True)
class Facts:
    """What the answers are made of. `rival`: a smaller model of nearly the same quality."""

    arguments: RecommendModelArguments
    weights: Weights
    picks: tuple[Pick, ...]
    rival: ModelSpec | None
    too_large: int
    free_bytes: int | None
    apis: tuple[ApiAlternative, ...]


def smaller_rival(pick: Pick, candidates: Sequence[Candidate]) -> ModelSpec | None:
    """The smallest model within five points of the pick's quality and at most 70 % of its size."""
    size = pick.spec.parameters.total or 0
    floor = percent(pick.candidate.quality.value) - CLOSE
    found = [
        candidate.spec
        for candidate in candidates
        if 0 < (candidate.spec.parameters.total or 0) <= 0.7 * size
        and candidate.quality.measured
        and percent(candidate.quality.value) >= floor
    ]
    return min(found, key=lambda spec: (spec.parameters.total or 0, spec.id), default=None)


def decide(facts: Facts) -> tuple[Decision, ...]:
    """The six questions in order, each with its answer and what follows."""
    return (
        _tokens(facts),
        _size(facts),
        _run(facts),
        _autonomy(facts),
        _language(facts),
        _api(facts),
    )


def short_name(model: str) -> str:
    """A repository id without its owner."""
    return model.rpartition("/")[2]


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f} GiB"


def _best(facts: Facts) -> Pick | None:
    return facts.picks[0] if facts.picks else None


def _tokens(facts: Facts) -> Decision:
    asked, pick = facts.arguments, _best(facts)
    context = pick.planned.deployment.context_tokens if pick else asked.context_tokens
    answer = f"up to {context:,} a query" if context else "no length given"
    daily = asked.input_tokens_per_day + asked.output_tokens_per_day
    if daily:
        answer += f", {daily:,} a day"
    if pick:
        cache = pick.planned.plan.cache.architecture_needs_bytes
        consequence = "KV cache unknown" if cache is None else f"KV cache {_gib(cache)}"
        premium = _premium(pick)
        consequence += f"; {premium}" if premium else ""
    else:
        priced = facts.apis[0] if facts.apis else None
        cost = priced.usd_per_day if priced else None
        consequence = "count_tokens has exact counts" if cost is None else f"${cost:,.2f} a day"
    return Decision(question="tokens", answer=answer, consequence=consequence)


def _premium(pick: Pick) -> str | None:
    known = [
        (coverage.tokens_per_english_token, tag)
        for tag, coverage in pick.languages
        if coverage.tokens_per_english_token
    ]
    worst = max(known, default=None)
    if worst is None or worst[0] <= 1.05:
        return None
    return f"{worst[1]} takes {worst[0]:.1f}x the tokens of English"


def _size(facts: Facts) -> Decision:
    pick = _best(facts)
    if pick is None:
        return Decision(
            question="parameters", answer="undecided", consequence="no model was picked"
        )
    answer = f"{_billions(pick.spec)}, {_score_words(pick.quality)}"
    if facts.rival is None:
        consequence = "no much smaller measured model comes close"
    else:
        rival = f"{short_name(facts.rival.id)} ({_billions(facts.rival)})"
        consequence = f"{rival} is within {CLOSE:g} points of its quality"
    return Decision(question="parameters", answer=answer, consequence=consequence)


def _billions(spec: ModelSpec) -> str:
    total, active = spec.parameters.total, spec.parameters.active
    if total is None:
        return "size unknown"
    words = f"{total / 1e9:.3g} B"
    return f"{words}, {active / 1e9:.3g} B active" if active and active < 0.9 * total else words


def _score_words(score: NamedScore | None) -> str:
    if score is None:
        return "no published score"
    version = f" {score.version}" if score.version else ""
    return f"{score.benchmark}{version} {score.score:g}"


def _run(facts: Facts) -> Decision:
    if facts.arguments.deployment == "api":
        return Decision(question="hardware", answer="not asked", consequence="hosted only")
    pick, free = _best(facts), facts.free_bytes
    known = "unknown memory" if free is None else f"{_gib(free)} free"
    if pick is None:
        return Decision(
            question="hardware",
            answer=f"no candidate fits, {known}",
            consequence="see if_nothing_fits",
        )
    plan, run = pick.planned.plan, pick.planned.run
    answer = f"{_gib(plan.total)} of {known}: {run.quantization} on {run.engine}, {plan.verdict}"
    if pick.speed:
        answer += f", about {pick.speed.value:.0f} tokens/s"
    consequence = f"{facts.too_large} candidates are too large"
    return Decision(question="hardware", answer=answer, consequence=consequence)


def _autonomy(facts: Facts) -> Decision:
    asked, pick = facts.arguments, _best(facts)
    if not facts.weights.agentic:
        return Decision(
            question="agentic", answer="none asked", consequence="agentic evidence not weighed"
        )
    share = facts.weights.agentic / facts.weights.total
    answer = f"{asked.autonomy}: agentic evidence is {share:.0%} of the score"
    if pick is None or pick.agentic is None:
        return Decision(question="agentic", answer=answer, consequence="nothing published to go by")
    score = pick.agentic
    consequence = _score_words(score)
    if score.basis == "prior":
        consequence += f" is typical of its size ({score.low:g}-{score.high:g}), not measured"
    elif score.scale == "0-100":
        consequence += f": fails {100 - score.score:.0f} of 100 test tasks"
    return Decision(question="agentic", answer=answer, consequence=consequence)


def _language(facts: Facts) -> Decision:
    pick, asked = _best(facts), facts.arguments
    if pick is None:
        return Decision(
            question="context and language",
            answer=", ".join(asked.languages),
            consequence="hosted models: language not looked up" if facts.apis else "undecided",
        )
    words = [
        f"{tag} {coverage.coverage.value:.0f} (grade {coverage.grade})"
        if coverage.coverage
        else f"{tag} unknown"
        for tag, coverage in pick.languages
    ]
    if asked.context_tokens is None:
        consequence = "length not weighed: give context_tokens"
    else:
        consequence = _retention(pick, asked.context_tokens)
    return Decision(
        question="context and language", answer=", ".join(words), consequence=consequence
    )


def _retention(pick: Pick, context_tokens: int) -> str:
    """What is known of the skill left at the asked length, the least certain language deciding."""
    kept = [coverage.retention for _, coverage in pick.languages if coverage.retention]
    bases = {figure.basis for figure in kept}
    at = f"at {context_tokens:,} tokens"
    if not kept:
        return f"skill left {at} is unknown"
    if "prior" in bases:
        return f"skill left {at}: of other models only, not measured here"
    return f"skill left {at} is measured" if "published" in bases else "short: no loss to expect"


def _api(facts: Facts) -> Decision:
    pick, asked = _best(facts), facts.arguments
    if asked.deployment == "local":
        licence = (pick.spec.license or "unknown") if pick else "none picked"
        return Decision(
            question="open weights or API",
            answer=f"open weights, licence {licence}",
            consequence="hosted models not compared: deployment=either does",
        )
    if not facts.apis:
        return Decision(
            question="open weights or API", answer="no hosted model meets this", consequence="-"
        )
    best = facts.apis[0]
    price = f"${best.input_usd_per_mtok or 0:g} in, ${best.output_usd_per_mtok or 0:g} out per M"
    consequence = f"{best.model}: {price}"
    if best.usd_per_day is not None:
        consequence += f", ${best.usd_per_day:,.2f} a day"
    answer = "hosted" if pick is None else f"both: {short_name(pick.spec.id)} runs here"
    return Decision(question="open weights or API", answer=answer, consequence=consequence)
