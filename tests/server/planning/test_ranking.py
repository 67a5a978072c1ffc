"""Weights, the lazy walk, near duplicates, and the filters before it."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from specs import ALL, LLAMA_31_8B, QWEN3_32B, gpu, host

from whichweights.planning.ability import Ability
from whichweights.planning.fitting import best_run
from whichweights.planning.ranking import TASKS, Candidate, Ladder, near_duplicate, weights_for
from whichweights.planning.running import RunRequest, choose_run, plan_run, runs_for
from whichweights.planning.screening import (
    TOO_LARGE,
    Rejections,
    Wishes,
    floor_bytes,
    room_bytes,
    why_not,
)
from whichweights_schemas.models import ModelSpec, ParameterCounts
from whichweights_schemas.tools.recommend_model import Autonomy, Requirement, Task

GIB = 2**30
TASK_NAMES: tuple[Task, ...] = tuple(TASKS)
AUTONOMIES: tuple[Autonomy, ...] = ("none", "single_step", "multi_step", "long_horizon")


def spec(name: str, billions: float = 8, **changes: object) -> ModelSpec:
    counts = ParameterCounts(total=round(billions * 1e9))
    fields = {"id": name, "display_name": name, "parameters": counts, **changes}
    return ModelSpec.model_validate(fields)


def test_every_task_of_the_contract_has_a_profile() -> None:
    assert set(TASKS) == set(get_args(get_args(Task)[0]))


@given(st.sampled_from(TASK_NAMES), st.sampled_from(AUTONOMIES), st.booleans())
def test_more_autonomy_never_weighs_agentic_evidence_less(
    task: Task, autonomy: Autonomy, foreign: bool
) -> None:
    tags = ["en", "is"] if foreign else ["en"]
    weights = weights_for(task, autonomy, tags)
    least = weights_for(task, "none", tags)
    assert weights.agentic >= least.agentic
    assert weights.quality == 1
    assert weights.languages >= weights_for(task, autonomy, ["en-GB"]).languages > 0


abilities = st.floats(-3, 3).map(lambda value: Ability(value, 1, None))
coverages = st.one_of(st.none(), st.floats(0, 130))
entries = st.lists(st.tuples(abilities, abilities, coverages, coverages), min_size=1, max_size=30)


def candidates_of(drawn: list[tuple[Ability, Ability, float | None, float | None]]):
    return [
        Candidate(spec(f"maker/m{place:02}"), quality, agentic, coverage=(first, second))
        for place, (quality, agentic, first, second) in enumerate(drawn)
    ]


@given(entries, st.integers(1, 5), st.sampled_from(AUTONOMIES))
def test_looking_languages_up_lazily_gives_the_same_order(
    drawn: list[tuple[Ability, Ability, float | None, float | None]],
    at_once: int,
    autonomy: Autonomy,
) -> None:
    weights = weights_for("chat", autonomy, ["is"])
    full = {candidate.spec.id: candidate for candidate in candidates_of(drawn)}
    eager, lazy = Ladder(weights), Ladder(weights)
    eager.add(full.values())
    lazy.add(Candidate(c.spec, c.quality, c.agentic) for c in reversed(list(full.values())))
    while len(lazy):
        unknown = lazy.pop_unknown(at_once)
        if unknown:
            lazy.add(full[candidate.spec.id] for candidate in unknown)
            continue
        assert lazy.pop() == eager.pop()
    assert eager.pop() is None


def order(candidates: list[Candidate]) -> list[str]:
    ladder = Ladder(weights_for("chat", "long_horizon", ["is"]))
    ladder.add(candidates)
    return [c.spec.id for c in iter(ladder.pop, None)]


@given(entries, st.data(), st.floats(0, 3))
def test_an_abler_model_never_ranks_lower(
    drawn: list[tuple[Ability, Ability, float | None, float | None]],
    data: st.DataObject,
    more: float,
) -> None:
    candidates = candidates_of(drawn)
    place = data.draw(st.integers(0, len(candidates) - 1))
    old = candidates[place]
    before = order(candidates).index(old.spec.id)
    better = Ability(old.quality.value + more, 1, None)
    candidates[place] = Candidate(old.spec, better, old.agentic, coverage=old.coverage)
    assert order(candidates).index(old.spec.id) <= before


def test_an_unknown_language_counts_nothing_and_is_not_invented() -> None:
    weights = weights_for("chat", "none", ["is", "sw"])
    ability = Ability(0.0, 1, None)
    candidate = Candidate(spec("a/a"), ability, coverage=(80.0, None))
    assert candidate.parts(weights) == {"quality": 50.0, "languages": 40.0}


def test_a_second_model_of_a_family_and_size_is_a_near_duplicate() -> None:
    first = spec("a/Some-32B", 32.0, family="Some")
    dated = spec("a/Some-32B-2507", 32.1, family="Some")
    small = spec("a/Some-8B", 8, family="Some")
    tiny = spec("a/Some-1B", 1, family="Some")
    assert near_duplicate(dated, [first], 3)
    assert near_duplicate(small, [first], 3) is None
    assert near_duplicate(tiny, [first, small], 3)
    assert near_duplicate(tiny, [first, small], 5) is None
    assert near_duplicate(spec("b/Other-32B", 32, family="Other"), [first, small], 3) is None


def wishes(
    *,
    task: Task = "chat",
    context: int | None = None,
    license: str = "any",
    requires: tuple[Requirement, ...] = (),
    room: int | None = None,
) -> Wishes:
    return Wishes(task, context, license, requires, room)


@pytest.mark.parametrize(
    ("changes", "asked", "reason"),
    [
        ({"license": "cc-by-nc-4.0"}, wishes(license="commercial"), "forbids commercial use"),
        ({"license": None}, wishes(license="commercial"), "licence unknown"),
        ({"license": "llama3.1"}, wishes(license="open"), "licence not open"),
        ({"license": "cc-by-4.0"}, wishes(license="open"), "openness unknown"),
        ({}, wishes(task="vision"), "images"),
        ({}, wishes(requires=("vision",)), "images"),
        ({}, wishes(requires=("tool_use",)), "tool use unknown"),
        ({"reasoning": False}, wishes(requires=("reasoning",)), "no reasoning"),
        ({"max_context_tokens": 4096}, wishes(context=8192), "window below 8,192"),
        ({}, wishes(context=8192), "window unknown"),
        ({"parameters": ParameterCounts(total=None)}, wishes(), "size unknown"),
        ({}, wishes(room=3 * GIB), TOO_LARGE),
        ({"kind": "encoder"}, wishes(), "encoder"),
    ],
)
def test_a_model_that_misses_a_condition_is_left_out_with_the_reason(
    changes: dict[str, Any], asked: Wishes, reason: str
) -> None:
    found = why_not(spec("a/a", **changes), asked)
    assert found is not None
    assert reason in found


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({"license": "apache-2.0"}, wishes(license="open")),
        ({"license": "llama3.1"}, wishes(license="commercial")),
        ({"input_modalities": ("text", "image")}, wishes(task="vision")),
        ({"tool_use": True, "reasoning": True}, wishes(requires=("tool_use", "reasoning"))),
        ({"max_context_tokens": 8192}, wishes(context=8192)),
        ({"max_context_tokens": 4096}, wishes()),
        ({}, wishes(room=5 * GIB)),
    ],
)
def test_a_model_that_meets_the_conditions_stays(changes: dict[str, Any], asked: Wishes) -> None:
    assert why_not(spec("a/a", **changes), asked) is None


def test_rejections_are_counted_with_at_most_three_examples() -> None:
    rejections = Rejections()
    for name in "edcba":
        rejections.add("too old", name)
    rejections.add("too new", "z")
    rejections.count("lower", 9)
    rows = [(row.reason, row.count, row.examples) for row in rejections.rows()]
    assert rows == [("lower", 9, ()), ("too old", 5, ("a", "b", "c")), ("too new", 1, ("z",))]


def test_the_room_is_what_is_free_on_the_devices_else_in_system_memory() -> None:
    assert room_bytes([gpu(24), gpu(24)], host(64)) == 48 * GIB
    assert room_bytes([], host(64)) == 64 * GIB
    assert room_bytes([gpu(24).model_copy(update={"free_bytes": None})], host(64)) is None
    assert room_bytes([], None) is None


@settings(max_examples=40)
@given(st.sampled_from(ALL), st.sampled_from((2.0, 6.0, 10.0, 14.0, 20.0, 24.0, 48.0, 80.0)))
def test_skipping_what_cannot_fit_never_changes_the_chosen_run(
    model: ModelSpec, gib: float
) -> None:
    request = RunRequest(accelerators=(gpu(gib),), memory=None)
    ours, theirs = best_run(model, request), choose_run(model, request).chosen
    fits = ("fits", "tight")
    assert (ours.plan.verdict in fits) == (theirs.plan.verdict in fits)
    if ours.plan.verdict in fits:
        assert ours.run == theirs.run


@pytest.mark.parametrize("model", [LLAMA_31_8B, QWEN3_32B], ids=lambda m: m.id)
def test_the_floor_of_a_format_is_below_the_planned_weights(model: ModelSpec) -> None:
    request = RunRequest(accelerators=(gpu(24),), memory=None)
    for run in runs_for(model, request):
        least = floor_bytes(model, run.quantization)
        weights = plan_run(model, request, run).plan.group_bytes("weights")
        assert least is not None
        assert weights / 2 < least < weights
