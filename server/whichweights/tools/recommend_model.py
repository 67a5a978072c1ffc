"""recommend_model: filter, rank by published evidence, and recommend only what fits."""

from __future__ import annotations

from whichweights.answering import EvidenceLog
from whichweights.planning.decision import Facts, Pick, decide, smaller_rival
from whichweights.planning.hosted import HostedWishes, choose_hosted
from whichweights.planning.nothing_fits import ways_out
from whichweights.planning.ranking import TASKS
from whichweights.planning.screening import TOO_LARGE
from whichweights.registry import ProviderSession
from whichweights.resolve.accelerators import Machine, resolve_machine
from whichweights.resolve.candidates import gather_pool, hosted_models, scores_of, skill_table
from whichweights.resolve.clock import utc_now
from whichweights.resolve.languages import ResolvedLanguage, resolve_language
from whichweights.resolve.undecided import refuse_undecided
from whichweights.tools._recommend_text import recommend_text
from whichweights.tools._recommendation_rows import api_alternative, named_score, recommendation
from whichweights.tools._recommending import DOES_NOT_FIT, MAY_NOT_FIT, Found, Search
from whichweights.tools._spec import ToolSpec
from whichweights_schemas.errors import InvalidArgument
from whichweights_schemas.providers import ApiModelProvider
from whichweights_schemas.tools.recommend_model import (
    ApiAlternative,
    RecommendModelArguments,
    RecommendModelResult,
    Rejection,
)

_HOSTED_SHOWN = 3
_TOO_LARGE = (TOO_LARGE, DOES_NOT_FIT, MAY_NOT_FIT)
_METHOD = "weights of the parts are this tool's own, see score_parts"


async def run(arguments: RecommendModelArguments, session: ProviderSession) -> RecommendModelResult:
    """Recommend what fits. Raises InvalidArgument and the errors of resolving names."""
    _refuse(arguments)
    record = EvidenceLog()
    languages = [resolve_language(text) for text in arguments.languages]
    if arguments.source == "all":
        record.warn("source=all: only the catalogue is served by this version")
    search = await _searched(arguments, languages, session, record)
    apis = await _hosted(arguments, session, record)
    picks = [await _with_evidence(found, search, session) for found in search.found]
    return _answer(search, tuple(picks), apis, record)


def _refuse(arguments: RecommendModelArguments) -> None:
    if arguments.workload != "inference":
        raise InvalidArgument(
            f"recommend_model plans inference only, not {arguments.workload}",
            field="workload",
            hint="memory for training is a question for estimate_vram, model by model; "
            "leave workload out here",
            suggestions=("inference",),
        )
    if arguments.source == "hub":
        raise InvalidArgument(
            "only the catalogue can be searched by this version",
            field="source",
            hint="leave source out, or name Hub models in candidates",
            suggestions=("catalogue",),
        )


async def _searched(
    arguments: RecommendModelArguments,
    languages: list[ResolvedLanguage],
    session: ProviderSession,
    record: EvidenceLog,
) -> Search:
    """The walk over open-weight models; an empty one when only hosted models are asked for."""
    if arguments.deployment == "api":
        return Search(session, arguments, languages, Machine())
    machine = await resolve_machine(session, arguments.accelerators)
    record.warn(*machine.notes)
    for entry in machine.unknown:
        record.unknown(entry.field, entry.reason)
    pool = await gather_pool(session, arguments.candidates)
    record.warn(*pool.notes)
    search = Search(session, arguments, languages, machine)
    await search.run(pool)
    return search


async def _hosted(
    arguments: RecommendModelArguments, session: ProviderSession, record: EvidenceLog
) -> tuple[ApiAlternative, ...]:
    if arguments.deployment == "local":
        return ()
    skill = TASKS[arguments.task].skills[0]
    rows = await skill_table(session, TASKS[arguments.task].skills)
    wishes = HostedWishes(
        task=arguments.task,
        context_tokens=arguments.context_tokens,
        requires=arguments.requires,
        input_tokens_per_day=arguments.input_tokens_per_day,
        output_tokens_per_day=arguments.output_tokens_per_day,
        today=utc_now()[:10],
    )
    hosted = await hosted_models(session)
    if not hosted and arguments.deployment == "api":
        refuse_undecided(
            session, ApiModelProvider, subject="no hosted model is known", field="deployment"
        )
    chosen = choose_hosted(hosted, rows, skill, wishes, _HOSTED_SHOWN)
    for choice in chosen:
        prices = choice.model.prices
        if prices:
            record.add("api_alternatives", "published", prices.source, date=prices.date)
    if chosen:
        record.warn(
            "hosted models: one a vendor, by published score, else by list price; "
            "their languages were not looked up"
        )
        if chosen[0].usd_per_day is None:
            record.unknown("api_alternatives.usd_per_day", "no daily tokens given, or no price")
    return tuple(api_alternative(choice, arguments.context_tokens) for choice in chosen)


async def _with_evidence(found: Found, search: Search, session: ProviderSession) -> Pick:
    candidate = found.candidate
    skill = TASKS[search.arguments.task].skills[0]
    asked = None if candidate.quality.measured else await scores_of(session, candidate.spec, skill)
    quality = named_score(candidate.quality, asked)
    agentic = None
    if search.weights.agentic and candidate.agentic is not None:
        known = candidate.agentic.measured
        asked = None if known else await scores_of(session, candidate.spec, "agentic")
        agentic = named_score(candidate.agentic, asked)
    return Pick(
        candidate, found.planned, found.speed, found.languages, quality=quality, agentic=agentic
    )


def _answer(
    search: Search, picks: tuple[Pick, ...], apis: tuple[ApiAlternative, ...], record: EvidenceLog
) -> RecommendModelResult:
    arguments, weights = search.arguments, search.weights
    rejected = search.rejections.rows()
    facts = Facts(
        arguments=arguments,
        weights=weights,
        picks=picks,
        rival=smaller_rival(picks[0], search.candidates) if picks else None,
        too_large=_count(rejected),
        free_bytes=search.free_bytes,
        apis=apis,
    )
    stuck = arguments.deployment != "api" and not picks
    _record(search, picks, record)
    return RecommendModelResult(
        decision=decide(facts),
        recommendations=tuple(
            recommendation(rank, pick, weights) for rank, pick in enumerate(picks, start=1)
        ),
        rejected=rejected,
        api_alternatives=apis,
        if_nothing_fits=ways_out(
            search.suited, search.request, search.free_bytes, search.offloaded, rejected
        )
        if stuck
        else (),
        warnings=record.warnings,
        evidence=record.evidence,
        unknown=record.unknowns,
    )


def _count(rejected: tuple[Rejection, ...]) -> int:
    return sum(row.count for row in rejected if row.reason in _TOO_LARGE)


def _record(search: Search, picks: tuple[Pick, ...], record: EvidenceLog) -> None:
    proxy = TASKS[search.arguments.task].proxy
    if proxy and (picks or search.arguments.deployment == "api"):
        record.warn(proxy)
    if not picks:
        return
    record.add("recommendations.score", "computed", _METHOD)
    record.add(
        "recommendations.vram_gib", "fitted", "as estimate_vram, which has the band and parts"
    )
    for pick in picks:
        for _, coverage in pick.languages:
            row = coverage.score or coverage.prior
            if row is not None:
                basis, source = row.evidence.basis, row.evidence.source
                record.add("recommendations.languages", basis, source, date=row.evidence.date)
    if any(pick.speed is None for pick in picks):
        record.unknown("recommendations.decode_tokens_per_second", "not measured for such a run")
    if any(pick.quality is None for pick in picks):
        record.unknown("recommendations.quality", "nothing published that these tables have")
    if not search.weights.agentic:
        record.unknown("recommendations.agentic", "autonomy none: not looked up")
    elif any(pick.agentic is None for pick in picks):
        record.unknown("recommendations.agentic", "nothing published that these tables have")


SPEC = ToolSpec(
    name="recommend_model",
    title="Recommend a model",
    description=(
        "Which open-weight model to run for a task, languages and machine: only models that fit "
        "(same arithmetic as estimate_vram), ranked by named, dated benchmarks, with format, "
        "engine, memory, speed, licence and caveats; the six questions answered; hosted "
        "alternatives with list prices."
    ),
    arguments=RecommendModelArguments,
    result=RecommendModelResult,
    run=run,
    text=recommend_text,
    open_world=True,  # a name nobody here knows is looked up on the Hub
)
