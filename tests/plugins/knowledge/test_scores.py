import pytest

from whichweights.testing import ScoreProviderContract, construct
from whichweights_plugins.knowledge._tables import load_rows, table_bytes
from whichweights_plugins.knowledge.building._benchmarks import benchmark
from whichweights_plugins.knowledge.building._labels import Labels
from whichweights_plugins.knowledge.building.scores import BUILDERS, check_scores
from whichweights_plugins.knowledge.scores import KnowledgeScores
from whichweights_schemas.languages import ScoreEvidence
from whichweights_schemas.models import ModelSpec, ParameterCounts
from whichweights_schemas.requests import ScoreQuestion, SkillTableQuestion


def model(id: str, parameters: float | None = None, base: str | None = None) -> ModelSpec:
    return ModelSpec(
        id=id,
        display_name=id,
        kind="instruct",
        parameters=ParameterCounts(total=None if parameters is None else int(parameters)),
        base_model=base,
    )


async def evidence(spec: ModelSpec, skill: str = "") -> ScoreEvidence:
    return await construct(KnowledgeScores).evidence(ScoreQuestion(model=spec, skill=skill))


class TestKnowledgeScores(ScoreProviderContract):
    model = model("Qwen/Qwen3-32B", 32e9)

    @pytest.fixture
    def provider(self) -> KnowledgeScores:
        return construct(KnowledgeScores)


async def test_a_published_score_has_benchmark_version_mode_source_and_date():
    found = await evidence(model("Qwen/Qwen3-32B"), "agentic")
    [score] = [
        score
        for score in found.scores
        if (score.benchmark, score.version, score.mode) == ("BFCL overall", "v4", "FC")
    ]
    assert score.score == 48.71
    assert score.evidence.date == "2026-04-12"
    assert not score.self_reported


async def test_versions_of_a_benchmark_are_never_one_row():
    found = await evidence(model("meta-llama/Llama-3.1-8B-Instruct"), "agentic")
    versions = {
        score.version: score.score for score in found.scores if score.benchmark == "BFCL overall"
    }
    assert {"v1", "v2", "v3", "v4"} <= versions.keys()
    assert versions["v1"] > versions["v4"]


async def test_a_makers_own_figures_are_self_reported_and_a_competitors_are_named():
    found = await evidence(model("meta-llama/Llama-3.1-8B-Instruct"))
    by_version = {s.version: s for s in found.scores if s.benchmark == "BFCL overall"}
    assert by_version["v1"].self_reported
    assert not by_version["v3"].self_reported
    assert "competitor" in (by_version["v3"].evidence.note or "")


@pytest.mark.parametrize("skill", ["agentic", "coding", "reasoning", "knowledge", "chat", "math"])
async def test_each_skill_has_rows_for_a_well_measured_model(skill: str):
    found = await evidence(model("Qwen/Qwen3-235B-A22B"), skill)
    assert found.scores
    assert {score.skill for score in found.scores} == {skill}


async def test_fixing_real_issues_counts_as_agentic_and_as_coding():
    spec = model("zai-org/GLM-4.7")
    for skill in ("agentic", "coding"):
        names = {score.benchmark for score in (await evidence(spec, skill)).scores}
        assert "SWE-bench Verified" in names


async def test_arena_ratings_are_on_their_own_scale():
    found = await evidence(model("google/gemma-3-27b-it"), "chat")
    ratings = [score for score in found.scores if score.scale == "Elo"]
    assert ratings
    for score in ratings:
        assert score.ci_low is not None
        assert score.ci_high is not None
        assert score.ci_low <= score.score <= score.ci_high


async def test_inheritance_is_labelled():
    own = await evidence(model("Qwen/Qwen3-8B"), "agentic")
    copy = await evidence(model("bartowski/Qwen3-8B-GGUF"), "agentic")
    tuned = await evidence(model("somebody/tuned", base="Qwen/Qwen3-8B"), "agentic")
    assert {score.measured_on for score in own.scores} == {"this_model"}
    assert {score.measured_on for score in copy.scores} == {"base_model"}
    assert {score.measured_on for score in tuned.scores} == {"base_model"}
    assert [s.score for s in own.scores] == [s.score for s in copy.scores]


async def test_nothing_known_is_empty_and_not_zero():
    assert await evidence(model("nobody/nothing")) == ScoreEvidence()


async def test_the_prior_of_a_size_class_is_a_spread_with_its_version():
    found = await evidence(model("nobody/nothing", 8e9), "agentic")
    [prior] = [
        prior
        for prior in found.priors
        if (prior.benchmark, prior.version) == ("BFCL overall", "v4")
    ]
    assert (prior.p25, prior.median, prior.p75) == (25.8, 28.8, 41.0)
    assert prior.models == 19
    assert prior.evidence.basis == "prior"
    assert (await evidence(model("nobody/nothing", 8e9), "coding")).priors == ()


@pytest.mark.parametrize("builder", BUILDERS, ids=lambda builder: builder.name)
def test_every_shipped_row_has_source_and_date(builder: object):
    known = next(item for item in BUILDERS if item is builder)
    rows = load_rows(known.name)
    assert rows
    assert known.check(rows) == []


def test_the_check_names_a_score_off_its_scale():
    row = load_rows("scores")[0]
    score = list(row["scores"][0])
    score[6] = 101
    assert check_scores([{**row, "scores": [score]}])


def test_the_shipped_table_is_small():
    assert sum(table_bytes(builder.name) for builder in BUILDERS) < 100_000


LABELS = Labels(
    [
        "Qwen/Qwen3-32B",
        "moonshotai/Kimi-K2-Instruct",
        "meta-llama/Llama-2-7b-chat-hf",
        "deepseek-ai/DeepSeek-V3.1",
        "google/gemma-3-27b-it",
        "a/Twin-1B",
        "b/Twin-1B",
    ]
)


@pytest.mark.parametrize(
    ("label", "repository", "mode"),
    [
        ("Qwen3-32B (FC)", "Qwen/Qwen3-32B", None),
        ("qwen/qwen3-32b", "Qwen/Qwen3-32B", None),
        ("kimi-k2-0711-preview", "moonshotai/Kimi-K2-Instruct", None),
        ("llama-2-7b-chat", "meta-llama/Llama-2-7b-chat-hf", None),
        ("deepseek-v3.1-thinking", "deepseek-ai/DeepSeek-V3.1", "thinking"),
        ("Gemma 3 27B", "google/gemma-3-27b-it", None),
        ("Twin-1B", "Twin-1B", None),
        ("somebody/Qwen3-32B", "somebody/Qwen3-32B", None),
        ("GPT-5 (Prompt)", "GPT-5", None),
    ],
)
def test_a_label_is_a_repository_only_where_one_can_be_meant(
    label: str, repository: str, mode: str | None
):
    assert LABELS.resolve(label) == (repository, mode)


def test_a_benchmark_without_a_skill_stops_the_build():
    with pytest.raises(ValueError, match="no skill"):
        benchmark({"benchmark": "Chess"})


async def test_the_table_of_a_skill_has_every_row_under_the_id_of_its_model():
    provider = construct(KnowledgeScores)
    rows = await provider.table(SkillTableQuestion(skills=("agentic", "coding")))
    packed = [
        score
        for row in load_rows("scores")
        for score in row["scores"]
        if {"agentic", "coding"} & set(score[4])
    ]
    assert len(rows) == len(packed)
    assert {row.skill for row in rows} == {"agentic", "coding"}
    assert {row.measured_on for row in rows} == {"this_model"}
    own = await provider.evidence(ScoreQuestion(model=model("Qwen/Qwen3-32B"), skill="agentic"))
    listed = [row for row in rows if row.measured_model == "Qwen/Qwen3-32B"]
    assert {row.score for row in own.scores} <= {row.score for row in listed}
    assert await provider.table(SkillTableQuestion(skills=("no such skill",))) == ()
