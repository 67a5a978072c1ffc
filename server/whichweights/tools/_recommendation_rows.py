"""From a model that fits to the row of the answer: named scores, reasons, caveats."""

from __future__ import annotations

from collections.abc import Iterator

from whichweights.answering import gib
from whichweights.planning.ability import Ability
from whichweights.planning.choices import native_format, run_support
from whichweights.planning.decision import Pick
from whichweights.planning.formats import Status
from whichweights.planning.hosted import Hosted
from whichweights.planning.licenses import read_license
from whichweights.planning.ranking import Weights
from whichweights.tools._words import in_words
from whichweights_schemas.languages import ModelScore, ScoreEvidence, ScorePrior
from whichweights_schemas.tools.recommend_model import (
    ApiAlternative,
    LanguageFit,
    NamedScore,
    Recommendation,
)

CAVEATS = 4
# Facts of a model that no figure of a recommendation rests on.
_UNUSED = frozenset({"extended_context_tokens", "languages", "gated", "notes"})
_NEARNESS = {"this_model": 2, "base_model": 1, "same_family": 0}


def named_score(ability: Ability | None, evidence: ScoreEvidence | None) -> NamedScore | None:
    """The score to show: of the model itself, else of its nearest relative, else of its size."""
    if ability is not None and ability.row is not None:
        return _published(ability.row)
    if evidence is None:
        return None
    relative = max(evidence.scores, key=_informative, default=None)
    if relative is not None:
        return _published(relative)
    prior = next((p for p in evidence.priors if "overall" in p.benchmark), None)
    return _prior(prior) if prior else None


def _informative(row: ModelScore) -> tuple[int, bool, str, bool, str]:
    return (
        _NEARNESS[row.measured_on],
        not row.self_reported,
        row.evidence.date or "",
        "overall" in row.benchmark,
        row.benchmark,
    )


def _published(row: ModelScore) -> NamedScore:
    own = row.measured_on == "this_model"
    relation = row.measured_on.replace("_", " ")
    return NamedScore(
        benchmark=row.benchmark,
        version=row.version,
        score=row.score,
        low=row.ci_low,
        high=row.ci_high,
        scale=row.scale,
        basis="published",
        measured_on=relation if own else f"{relation}: {row.measured_model}",
        self_reported=row.self_reported,
        date=row.evidence.date,
        source=row.evidence.source,
    )


def _prior(prior: ScorePrior) -> NamedScore:
    return NamedScore(
        benchmark=prior.benchmark,
        version=prior.version,
        score=prior.median,
        low=prior.p25,
        high=prior.p75,
        basis="prior",
        measured_on=f"{prior.models} models of size {prior.size_class}: median, p25-p75",
        date=prior.evidence.date,
        source=prior.evidence.source,
    )


def recommendation(rank: int, pick: Pick, weights: Weights) -> Recommendation:
    """One row of the answer."""
    planned, candidate = pick.planned, pick.candidate
    return Recommendation(
        rank=rank,
        model=pick.spec.id,
        quantization=planned.run.quantization,
        engine=planned.run.engine,
        score=round(candidate.score(weights), 1),
        score_parts=candidate.parts(weights),
        vram_gib=gib(planned.plan.total),
        verdict=planned.plan.verdict,
        decode_tokens_per_second=round(pick.speed.value, 1) if pick.speed else None,
        agentic=pick.agentic,
        quality=pick.quality,
        languages=tuple(
            LanguageFit(
                tag=tag,
                coverage=coverage.coverage.value if coverage.coverage else None,
                grade=coverage.grade,
            )
            for tag, coverage in pick.languages
        ),
        context_tokens=planned.deployment.context_tokens,
        license=pick.spec.license,
        reasons=tuple(_reasons(pick)),
        caveats=tuple(_caveats(pick, weights))[:CAVEATS],
    )


def _reasons(pick: Pick) -> Iterator[str]:
    count = pick.candidate.quality.benchmarks
    if count:
        yield f"measured on {count} leaderboard{'s' if count > 1 else ''} for this"
    native = native_format(pick.spec)
    if pick.planned.run.quantization == native:
        yield f"its own format {native} fits"
    else:
        yield "the largest common format that fits"


def _caveats(pick: Pick, weights: Weights) -> Iterator[str]:
    plan, spec = pick.planned.plan, pick.spec
    if plan.verdict == "tight":
        yield f"tight: up to {gib(plan.high):.1f} GiB"
    if not pick.candidate.quality.measured:
        relative = pick.quality is not None
        yield (
            "itself not measured: ranked by size and date, low end"
            + (", beside a relative's score" if relative else "")
        )
    elif pick.quality is not None and pick.quality.self_reported:
        yield "quality score reported by its maker"
    yield from _agentic(pick, weights)
    yield from _languages(pick)
    reading = read_license(spec.license)
    if reading.commercial_use == "conditions":
        yield f"licence: {reading.note}"
    elif reading.commercial_use in ("no", "unknown"):
        words = "no commercial use" if reading.commercial_use == "no" else "not read, check it"
        yield f"licence {spec.license or 'unknown'}: {words}"
    if pick.planned.run.quantization != native_format(spec):
        yield "quantized below the format it was measured in"
    status, reason = run_support(pick.planned.run, pick.planned.deployment.accelerators)
    if status is Status.PARTIAL:
        yield f"{pick.planned.run.quantization} on {pick.planned.run.engine}: {reason}"
    unverified = [name for name in spec.unverified if name not in _UNUSED]
    if unverified:
        yield f"not verified: {in_words(unverified[:3])}"


def _agentic(pick: Pick, weights: Weights) -> Iterator[str]:
    ability = pick.candidate.agentic
    if weights.agentic and ability is not None and not ability.measured:
        yield "no agentic score of its own: ranked by the low end of its size and date"


def _languages(pick: Pick) -> Iterator[str]:
    untested = [(tag, coverage) for tag, coverage in pick.languages if coverage.coverage is None]
    unknown = [tag for tag, coverage in untested if coverage.rating is None]
    guessed = [tag for tag, coverage in pick.languages if coverage.grade == "D"]
    if unknown:
        yield f"{', '.join(unknown)}: no test and no votes, counted as 0"
    for tag, rating in ((tag, coverage.rating) for tag, coverage in untested):
        if rating is not None:
            yield (
                f"{tag}: no test, ordered by people's votes (Elo {rating.rating:.0f}, place "
                f"{rating.place} of {rating.models}, {rating.evidence.date})"
            )
    if guessed:
        yield f"{', '.join(guessed)}: not measured, coverage is of its size class"


def api_alternative(hosted: Hosted, context_tokens: int | None) -> ApiAlternative:
    """One hosted model of the answer."""
    model, prices = hosted.model, hosted.model.prices
    cost = hosted.usd_per_day
    return ApiAlternative(
        model=model.id,
        vendor=model.vendor,
        context_tokens=model.context_tokens,
        input_usd_per_mtok=prices.input_usd_per_mtok if prices else None,
        output_usd_per_mtok=prices.output_usd_per_mtok if prices else None,
        usd_per_day=None if cost is None else round(cost, 4),
        price_date=prices.date if prices else None,
        quality=_published(hosted.row) if hosted.row else None,
        caveats=tuple(_api_caveats(hosted, context_tokens)),
    )


def _api_caveats(hosted: Hosted, context_tokens: int | None) -> Iterator[str]:
    model = hosted.model
    if hosted.row is None:
        yield "no published score known: listed by price"
    above = model.prices_above_tokens
    if above and context_tokens and context_tokens > above:
        yield f"prompts above {above:,} tokens cost more"
    if model.deprecation_date:
        yield f"retires {model.deprecation_date}"
