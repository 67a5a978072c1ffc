"""A bare size stands for a typical model of exactly that size, and is a prior."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whichweights.planning.description import cache_summary, parameter_summary
from whichweights.planning.generic import SizeName, generic_model, parse_size_name


@pytest.mark.parametrize(
    ("text", "parameters", "experts"),
    [
        ("7B", 7 * 10**9, 1),
        ("7b", 7 * 10**9, 1),
        (" 1.5 B ", 1_500_000_000, 1),
        ("350M", 350_000_000, 1),
        ("1T", 10**12, 1),
        ("8x7B", 7 * 10**9, 8),
        ("8 \u00d7 22b", 22 * 10**9, 8),
    ],
)
def test_a_size_is_read_as_people_write_it(text: str, parameters: int, experts: int):
    assert parse_size_name(text) == SizeName(text.strip(), parameters, experts)


@pytest.mark.parametrize(
    "text", ["", "B", "7", "7GB", "llama 7B", "7B-chat", "0B", "10M", "99T", "7.5.1B", "-7B", "x7B"]
)
def test_anything_else_is_no_size(text: str):
    assert parse_size_name(text) is None


@given(st.floats(0.1, 5000))
def test_the_generic_model_has_the_size_it_was_asked_for(billions: float):
    size = parse_size_name(f"{billions:.1f}B")
    assert size is not None
    spec = generic_model(size)
    counted = sum(parameter_summary(spec).by_kind.values())
    assert spec.parameters.total == size.parameters
    assert counted == pytest.approx(size.parameters, rel=0.03)


@given(st.integers(2, 64), st.sampled_from([7, 22, 12]))
def test_a_generic_mixture_shares_all_but_its_experts(experts: int, billions: int):
    size = SizeName(f"{experts}x{billions}B", billions * 10**9, experts)
    spec = generic_model(size)
    summary = parameter_summary(spec)
    assert spec.parameters.total is not None
    assert spec.parameters.active is not None
    assert size.parameters < spec.parameters.total < experts * size.parameters
    assert sum(summary.by_kind.values()) == pytest.approx(spec.parameters.total, rel=0.01)
    assert summary.active == pytest.approx(spec.parameters.active, rel=0.01)
    assert spec.parameters.active <= spec.parameters.total


def test_everything_about_it_is_a_prior():
    spec = generic_model(SizeName("7B", 7 * 10**9))
    assert spec.parameters.total_basis == spec.parameters.active_basis == "prior"
    assert [entry.basis for entry in spec.evidence] == ["prior"]


def test_its_cache_is_that_of_the_commonest_shape():
    assert cache_summary(generic_model(SizeName("8B", 8 * 10**9))).bytes_per_token == 131_072
