"""Weights by kind, native size and cache, from the architecture alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specs import ALL, DEEPSEEK_V3, GEMMA_3_27B, LLAMA_31_8B, NEMOTRON_3_NANO, SIZE_ONLY

from whichweights.planning.description import cache_summary, parameter_summary
from whichweights_schemas.attention import EncoderAttention
from whichweights_schemas.models import Block, DenseFeedForward, ModelSpec

GIB = 2**30
ENCODER = LLAMA_31_8B.model_copy(
    update={
        "kind": "encoder",
        "blocks": (
            Block(
                attention=EncoderAttention(query_heads=12, head_dim=64),
                feed_forward=DenseFeedForward(width=3072),
            ),
        ),
        "layout": (0,) * 12,
        "max_context_tokens": 512,
    }
)


@given(st.sampled_from([spec for spec in ALL if spec.layout]))
def test_the_kinds_add_up_to_the_model(spec: ModelSpec):
    summary = parameter_summary(spec)
    known = spec.parameters.language or spec.parameters.total
    if known:
        without = summary.by_kind.get("vision", 0) + summary.by_kind.get("mtp", 0)
        assert sum(summary.by_kind.values()) - without == pytest.approx(known, rel=0.02)
    assert all(count > 0 for count in summary.by_kind.values())
    assert summary.active is not None
    assert summary.active <= sum(summary.by_kind.values())


def test_a_16_bit_model_takes_two_bytes_a_weight():
    assert parameter_summary(LLAMA_31_8B).native_bytes == 2 * 8_030_261_248


def test_an_unknown_native_format_has_no_native_size():
    unknown = LLAMA_31_8B.model_copy(update={"native": None})
    assert parameter_summary(unknown).native_bytes is None


@pytest.mark.parametrize(
    ("spec", "per_token"),
    [(LLAMA_31_8B, 131_072), (DEEPSEEK_V3, 70_272), (NEMOTRON_3_NANO, 6 * 2 * 2 * 128 * 2)],
)
def test_the_cache_grows_by_what_the_architecture_needs(spec: ModelSpec, per_token: int):
    assert cache_summary(spec).bytes_per_token == per_token


def test_a_sliding_window_stops_growing():
    cache = cache_summary(GEMMA_3_27B)
    assert cache.bytes_at_8192 is not None
    assert cache.bytes_at_window is not None
    assert cache.bytes_per_token == 10 * 2 * 16 * 128 * 2
    assert cache.bytes_at_window < 131_072 * cache.bytes_at_8192 // 8192
    assert cache.bytes_at_window / GIB == pytest.approx(10.41, abs=0.005)


def test_a_state_is_told_apart_from_the_cache():
    assert (cache_summary(NEMOTRON_3_NANO).state_bytes or 0) > 0
    assert cache_summary(LLAMA_31_8B).state_bytes == 0


def test_an_encoder_caches_nothing_and_says_why():
    cache = cache_summary(ENCODER)
    assert (cache.bytes_per_token, cache.bytes_at_window) == (0, 0)
    assert cache.note


def test_unknown_layers_make_everything_unknown():
    cache = cache_summary(SIZE_ONLY)
    assert cache.bytes_per_token is None
    assert cache.bytes_at_8192 is None
    assert cache.note
    assert parameter_summary(SIZE_ONLY).by_kind == {}
