"""What is kept of a skill at a length: measured points, a band of others, or nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whichweights.planning.retention import REFERENCE_TOKENS, retention_at
from whichweights_schemas.evidence import Evidence
from whichweights_schemas.languages import RetentionPoint


def point(tokens: int, score: float, benchmark: str = "ONERULER") -> RetentionPoint:
    return RetentionPoint(
        language="de",
        context_tokens=tokens,
        score=score,
        benchmark=benchmark,
        measured_model="m",
        evidence=Evidence(fields=("score",), basis="published", source="s"),
    )


CURVE = (point(8_192, 80), point(32_768, 60), point(131_072, 40))


def test_at_the_reference_length_all_is_kept():
    for tokens in (1, 4096, REFERENCE_TOKENS):
        figure = retention_at(CURVE, "de", tokens)
        assert (figure.value, figure.low, figure.high) == (100, 100, 100)


def test_a_measured_length_is_its_share_of_the_reference():
    figure = retention_at(CURVE, "de", 32_768)
    assert figure.value == 75
    assert figure.basis == "published"


def test_between_points_it_is_halfway_in_the_logarithm_and_within_its_neighbours():
    figure = retention_at(CURVE, "de", 65_536)
    assert figure.value == pytest.approx(62.5)
    assert (figure.low, figure.high) == (50, 75)


@given(st.integers(REFERENCE_TOKENS + 1, 131_072))
def test_an_interpolated_share_lies_in_its_band(tokens: int):
    figure = retention_at(CURVE, "de", tokens)
    assert figure.value is not None
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low <= figure.value <= figure.high


def test_beyond_the_last_point_nothing_is_said():
    figure = retention_at(CURVE, "de", 200_000)
    assert (figure.value, figure.low, figure.high) == (None, None, None)
    assert figure.note == "measured up to 131,072 tokens only"


def test_a_model_that_fails_already_at_the_reference_has_no_curve():
    weak = (point(8_192, 14), point(131_072, 20))
    figure = retention_at(weak, "de", 131_072)
    assert figure.basis == "prior"
    assert figure.value is None


def test_points_of_two_benchmarks_are_not_mixed():
    mixed = (point(8_192, 80), point(131_072, 40, "other"))
    assert retention_at(mixed, "de", 131_072).basis == "prior"


@pytest.mark.parametrize(
    ("language", "low", "high"),
    [("en", 68, 100), ("de", 15, 100), ("sw", 2, 100), ("sw-KE", 2, 100)],
)
def test_without_measurements_there_is_the_band_of_others(language: str, low: float, high: float):
    figure = retention_at((), language, 131_072)
    assert figure.value is None
    assert (figure.low, figure.high, figure.basis) == (low, high, "prior")


def test_a_length_between_two_bands_takes_the_longer_one():
    assert retention_at((), "en", 40_000).low == retention_at((), "en", 65_536).low


def test_beyond_every_band_nothing_is_said():
    figure = retention_at((), "en", 1_000_000)
    assert (figure.value, figure.low, figure.high) == (None, None, None)
