"""The six questions, what to say when nothing fits, and hosted alternatives."""

from __future__ import annotations

from specs import LLAMA_31_8B, QWEN3_8B, QWEN3_32B, gpu, host

from whichweights.planning.ability import Ability
from whichweights.planning.decision import Facts, Pick, decide, smaller_rival
from whichweights.planning.fitting import best_run
from whichweights.planning.hosted import HostedWishes, choose_hosted
from whichweights.planning.language_coverage import cover
from whichweights.planning.nothing_fits import ways_out
from whichweights.planning.ranking import Candidate, weights_for
from whichweights.planning.running import RunRequest
from whichweights.planning.speed import estimate_speed
from whichweights_schemas.api_models import ApiModel, TokenPrices
from whichweights_schemas.evidence import Evidence
from whichweights_schemas.languages import LanguageEvidence, ModelScore
from whichweights_schemas.models import ModelSpec
from whichweights_schemas.tools.recommend_model import (
    NamedScore,
    RecommendModelArguments,
    Rejection,
)

GIB = 2**30
REQUEST = RunRequest(accelerators=(gpu(24),), memory=None, context_tokens=8192)
PRIOR = NamedScore(
    benchmark="BFCL overall",
    version="v4",
    score=28.8,
    low=25.8,
    high=41.0,
    basis="prior",
    measured_on="19 models",
    date="2026-04-12",
    source="test",
)


def pick(spec: ModelSpec, quality: float = 0.0, agentic: NamedScore | None = None) -> Pick:
    planned = best_run(spec, REQUEST)
    coverage = cover(LanguageEvidence(), "is", context_tokens=0, window_tokens=None)
    return Pick(
        candidate=Candidate(spec, Ability(quality, 1, None)),
        planned=planned,
        speed=estimate_speed(planned.planner, planned.plan).decode,
        languages=(("is", coverage),),
        quality=None,
        agentic=agentic,
    )


def facts(*picks: Pick, **arguments: object) -> Facts:
    asked = RecommendModelArguments.model_validate({"task": "chat", **arguments})
    return Facts(
        arguments=asked,
        weights=weights_for(asked.task, asked.autonomy, asked.languages),
        picks=picks,
        rival=None,
        too_large=7,
        free_bytes=24 * GIB,
        apis=(),
    )


def test_the_six_questions_come_in_order_and_are_answered() -> None:
    decisions = decide(facts(pick(QWEN3_32B), languages=["is"]))
    assert [row.question for row in decisions] == [
        "tokens",
        "parameters",
        "hardware",
        "agentic",
        "context and language",
        "open weights or API",
    ]
    assert all(row.answer and row.consequence for row in decisions)


def test_the_hardware_answer_has_the_planned_memory_and_the_verdict() -> None:
    best = pick(QWEN3_32B)
    hardware = decide(facts(best))[2]
    assert f"{best.planned.plan.total / GIB:.1f} GiB of 24.0 GiB free" in hardware.answer
    assert best.planned.plan.verdict in hardware.answer
    assert hardware.consequence == "7 candidates are too large"


def test_a_prior_is_called_one_and_not_a_measurement() -> None:
    row = decide(facts(pick(QWEN3_32B, agentic=PRIOR), autonomy="long_horizon"))[3]
    assert "not measured" in row.consequence
    assert "25.8-41" in row.consequence


def test_a_measured_agentic_score_says_how_often_it_fails() -> None:
    measured = PRIOR.model_copy(update={"basis": "published", "score": 46.0})
    row = decide(facts(pick(QWEN3_32B, agentic=measured), autonomy="multi_step"))[3]
    assert "fails 54 of 100" in row.consequence


def test_an_unknown_language_stays_unknown_in_the_decision() -> None:
    assert decide(facts(pick(QWEN3_32B)))[4].answer == "is unknown"


def test_without_a_pick_every_question_still_has_an_answer() -> None:
    decisions = decide(facts())
    assert len(decisions) == 6
    assert "no candidate fits" in decisions[2].answer


def test_the_rival_is_the_smallest_measured_model_of_nearly_the_same_quality() -> None:
    best = pick(QWEN3_32B, quality=0.5)
    close, far = Ability(0.4, 2, None), Ability(-1.0, 2, None)
    unmeasured = Ability(0.5, 0, None)
    assert (
        smaller_rival(best, [Candidate(QWEN3_8B, close), Candidate(LLAMA_31_8B, far)]) is QWEN3_8B
    )
    assert smaller_rival(best, [Candidate(QWEN3_8B, unmeasured)]) is None
    assert smaller_rival(best, [best.candidate]) is None


def test_when_nothing_fits_the_smallest_need_and_a_shorter_context_are_named() -> None:
    request = RunRequest(accelerators=(gpu(10),), memory=None, context_tokens=131_072)
    said = ways_out([QWEN3_32B, LLAMA_31_8B], request, 10 * GIB, [], [])
    need = best_run(LLAMA_31_8B, request).plan
    assert LLAMA_31_8B.id in said[0]
    assert f"{need.high / GIB:.1f} GiB" in said[0]
    assert said[1].startswith("At 2,048 tokens it needs")


def test_offload_is_named_where_it_would_help() -> None:
    request = RunRequest(accelerators=(gpu(12),), memory=host(64), context_tokens=8192)
    run = best_run(QWEN3_32B, request)
    assert run.plan.verdict == "fits_with_offload"
    said = ways_out([QWEN3_32B], request, 12 * GIB, [(QWEN3_32B, run)], [])
    assert "system memory" in said[-1]


def test_conditions_that_nobody_meets_are_named() -> None:
    rows = [Rejection(reason="licence unknown", count=5, examples=())]
    assert "licence unknown (5)" in ways_out([], REQUEST, 24 * GIB, [], rows)[0]


WISHES = HostedWishes("chat", 100_000, (), 1_000_000, 100_000, "2026-11-20")


def hosted(name: str, vendor: str, price: float, **changes: object) -> ApiModel:
    prices = TokenPrices(
        input_usd_per_mtok=price, output_usd_per_mtok=4 * price, date="2026-11-20", source="test"
    )
    fields = {
        "id": name,
        "vendor": vendor,
        "first_party": True,
        "context_tokens": 200_000,
        "prices": prices,
        **changes,
    }
    return ApiModel.model_validate(fields)


def arena(name: str, score: float) -> ModelScore:
    return ModelScore(
        skill="chat",
        benchmark="LMArena text",
        version="style control",
        score=score,
        scale="Elo",
        measured_model=name,
        evidence=Evidence(fields=("scores",), basis="published", source="test"),
    )


def names(models: list[ApiModel], rows: list[ModelScore], limit: int = 3) -> list[str]:
    return [h.model.id for h in choose_hosted(models, rows, "chat", WISHES, limit)]


def test_hosted_models_with_a_score_come_before_cheaper_ones_without() -> None:
    models = [hosted("cheap", "a", 0.1), hosted("good-1-5", "b", 3), hosted("best-2", "c", 9)]
    rows = [arena("Good 1.5", 1300), arena("maker/best-2", 1400)]
    assert names(models, rows) == ["best-2", "good-1-5", "cheap"]


def test_without_scores_the_cheapest_hosted_model_comes_first() -> None:
    assert names([hosted("dear", "a", 3), hosted("cheap", "b", 1)], []) == ["cheap", "dear"]


def test_one_hosted_model_a_vendor_is_shown() -> None:
    models = [hosted("one", "a", 1), hosted("two", "a", 2), hosted("three", "b", 3)]
    assert names(models, []) == ["one", "three"]


def test_retired_short_unpriced_and_resold_models_are_left_out() -> None:
    models = [
        hosted("retired", "a", 1, deprecation_date="2026-11-20"),
        hosted("short", "b", 1, context_tokens=8_000),
        hosted("unpriced", "c", 1, prices=None),
        hosted("resold", "d", 1, first_party=False),
        hosted("kept", "e", 1, deprecation_date="2027-01-01"),
    ]
    assert names(models, []) == ["kept"]


def test_the_daily_cost_is_the_list_price_of_the_daily_tokens() -> None:
    (found,) = choose_hosted([hosted("one", "a", 2.0)], [], "chat", WISHES, 1)
    assert found.usd_per_day == 2.0 + 0.8
