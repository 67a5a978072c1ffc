"""The weight count against counts made elsewhere, and its own laws."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whichweights.planning.parameters import ParameterBreakdown, count_block, count_parameters
from whichweights_plugins.knowledge._tables import load_rows
from whichweights_schemas.attention import (
    FullAttention,
    LatentAttention,
    LinearAttention,
    RecurrentState,
    StateSpace,
)
from whichweights_schemas.evidence import Unknown
from whichweights_schemas.models import (
    Block,
    DenseFeedForward,
    ExpertsFeedForward,
    FeedForward,
    ModelSpec,
    NoFeedForward,
    ParameterCounts,
    UnknownFeedForward,
)

DATA = Path(__file__).resolve().parents[2] / "data"
COUNTS: dict[str, list[Any]] = json.loads(
    (DATA / "parameter_counts.json").read_text(encoding="utf-8")
)["models"]
NOT_COUNTED = {
    "nvidia/Llama-3_3-Nemotron-Super-49B-v1_5": "widths differ per layer and are not in the table",
}


def catalogue() -> dict[str, ModelSpec]:
    return {row["id"]: ModelSpec.model_validate(row) for row in load_rows("models")}


def counted(spec: ModelSpec) -> ParameterBreakdown:
    found = count_parameters(spec)
    assert found is not None, spec.id
    return found


def whole(spec: ModelSpec) -> int:
    found = counted(spec)
    return found.total_language + (found.mtp or 0) + (found.vision or 0)


def test_every_model_with_a_reproduced_count_is_reproduced_to_the_integer() -> None:
    wrong: dict[str, tuple[int, int | None]] = {}
    specs = catalogue()
    equal = [name for name, (_, check, _) in COUNTS.items() if check.startswith("equal")]
    for name in equal:
        if name not in NOT_COUNTED and whole(specs[name]) != specs[name].parameters.total:
            wrong[name] = (whole(specs[name]), specs[name].parameters.total)
    assert wrong == {}
    assert len(equal) >= 280


def test_the_other_counts_differ_from_the_published_total_by_the_known_share() -> None:
    wrong: dict[str, float] = {}
    specs = catalogue()
    for name, (_, check, _) in COUNTS.items():
        total = specs[name].parameters.total
        if not check.endswith("%") or total is None:
            continue
        percent = (whole(specs[name]) / total - 1) * 100
        if abs(percent - float(check.removesuffix("%"))) > 0.0002:
            wrong[name] = percent
    assert wrong == {}


def test_counts_equal_those_made_independently_and_so_do_active_weights() -> None:
    wrong: list[str] = []
    specs = catalogue()
    for name, (computed, _, active) in COUNTS.items():
        if name in NOT_COUNTED:
            continue
        found = counted(specs[name])
        if computed not in (found.total_language, whole(specs[name])):
            wrong.append(f"{name}: {found.total_language} is not {computed}")
        if active not in (None, found.active):
            wrong.append(f"{name}: active {found.active} is not {active}")
    assert wrong == []


@pytest.mark.parametrize("name", NOT_COUNTED)
def test_a_model_that_cannot_be_counted_gives_no_count(name: str) -> None:
    assert count_parameters(catalogue()[name]) is None


@pytest.mark.parametrize(
    ("name", "total"),
    [
        ("openai-community/gpt2", 124_439_808),
        ("google-bert/bert-base-uncased", 109_482_240),
        ("meta-llama/Llama-3.1-8B-Instruct", 8_030_261_248),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", 46_702_792_704),
        ("deepseek-ai/DeepSeek-V3", 671_026_419_200),
        ("Qwen/Qwen3.5-27B", 26_895_998_464),
        ("state-spaces/mamba-130m-hf", 129_135_360),
    ],
)
def test_well_known_models_have_their_well_known_counts(name: str, total: int) -> None:
    assert counted(catalogue()[name]).total_language == total


def test_the_parts_of_a_real_model_add_up_and_only_matrices_count_as_linear() -> None:
    found = counted(catalogue()["meta-llama/Llama-3.1-8B-Instruct"])
    per_layer = 2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336
    assert found.linear_parameters == 32 * per_layer
    assert found.embedding == found.lm_head == 128256 * 4096
    assert found.norms == (2 * 32 + 1) * 4096
    assert found.unquantized_parameters == found.embedding + found.lm_head + found.norms


def spec_with(*blocks: Block, **changes: Any) -> ModelSpec:
    spec = ModelSpec(
        id="test/model",
        display_name="model",
        parameters=ParameterCounts(total=None),
        hidden_size=64,
        vocab_size=1000,
        tied_embeddings=False,
        blocks=blocks,
        layout=tuple(range(len(blocks))) * 2,
    )
    return spec.model_copy(update=changes)


sizes = st.integers(1, 64).map(lambda size: 8 * size)
heads = st.integers(1, 16)
attentions = st.one_of(
    st.builds(
        FullAttention,
        query_heads=heads,
        kv_heads=heads,
        head_dim=sizes,
        qkv_bias=st.booleans(),
        output_bias=st.booleans(),
        output_gate=st.booleans(),
        sinks=st.booleans(),
        key_equals_value=st.booleans(),
        qk_norm=st.sampled_from(("none", "per_head", "full")),
    ),
    st.builds(
        LatentAttention,
        query_heads=heads,
        q_lora_rank=st.none() | sizes,
        kv_lora_rank=sizes,
        rope_head_dim=sizes,
        nope_head_dim=sizes,
        value_head_dim=sizes,
    ),
    st.builds(
        LinearAttention,
        key_heads=heads,
        value_heads=heads,
        key_head_dim=sizes,
        value_head_dim=sizes,
    ),
    st.builds(StateSpace, version=st.just(1), inner_size=sizes, state_size=sizes, dt_rank=heads),
    st.builds(StateSpace, version=st.just(2), inner_size=sizes, state_size=sizes, heads=heads),
)
experts = st.integers(1, 8).flatmap(
    lambda chosen: st.builds(
        ExpertsFeedForward,
        experts=st.integers(chosen, 64),
        experts_per_token=st.just(chosen),
        width=sizes,
        gated=st.booleans(),
        shared_width=st.just(0) | sizes,
        shared_gate=st.booleans(),
        router_bias=st.booleans(),
        expert_bias=st.booleans(),
        latent_size=st.none() | sizes,
        parallel_dense_width=st.none() | sizes,
    )
)
feed_forwards: st.SearchStrategy[FeedForward] = st.one_of(
    st.builds(DenseFeedForward, width=sizes, gated=st.booleans(), bias=st.booleans()),
    experts,
    st.builds(NoFeedForward),
)
blocks = st.builds(
    Block,
    attention=attentions,
    feed_forward=feed_forwards,
    norms=st.integers(0, 4),
    norm_bias=st.booleans(),
    extra_parameters=st.integers(0, 9),
)


@given(st.lists(blocks, min_size=1, max_size=3))
def test_parts_add_up_and_no_part_exceeds_the_whole(chosen: list[Block]) -> None:
    found = counted(spec_with(*chosen))
    parts = (
        *(found.embedding, found.positions, found.lm_head, found.norms, found.other),
        *(found.attention, found.dense_mlp, found.routed_experts, found.shared_experts),
        found.router,
    )
    assert sum(parts) == found.total_language
    assert 0 < found.linear_parameters < found.total_language
    assert 0 < found.active <= found.total_language
    assert len(found.layers) == 2 * len(chosen)


@given(blocks)
def test_tying_the_head_saves_exactly_one_embedding(block: Block) -> None:
    apart = counted(spec_with(block)).total_language
    tied = counted(spec_with(block, tied_embeddings=True)).total_language
    assert apart - tied == 64 * 1000


@given(experts)
def test_idle_experts_are_the_only_weights_a_token_skips(moe: ExpertsFeedForward) -> None:
    attention = FullAttention(query_heads=2, kv_heads=1, head_dim=8)
    layer = count_block(Block(attention=attention, feed_forward=moe), 64)
    assert layer is not None
    idle = layer.routed_experts * (moe.experts - moe.experts_per_token) // moe.experts
    assert layer.total - layer.active == idle


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_size": None},
        {"vocab_size": None},
        {"tied_embeddings": None},
        {"layout": ()},
        {"unknown": (Unknown(field="extra_parameters", reason="not listed"),)},
    ],
)
def test_a_missing_fact_means_no_count(changes: dict[str, Any]) -> None:
    attention = FullAttention(query_heads=2, kv_heads=1, head_dim=8)
    spec = spec_with(Block(attention=attention, feed_forward=DenseFeedForward(width=64)))
    assert count_parameters(spec) is not None
    assert count_parameters(spec.model_copy(update=changes)) is None


@pytest.mark.parametrize(
    "block",
    [
        Block(
            attention=RecurrentState(flavour="unheard-of"), feed_forward=DenseFeedForward(width=8)
        ),
        Block(
            attention=FullAttention(query_heads=2, kv_heads=1, head_dim=8),
            feed_forward=UnknownFeedForward(experts=8),
        ),
    ],
)
def test_an_unknown_part_means_no_count(block: Block) -> None:
    assert count_parameters(spec_with(block)) is None
