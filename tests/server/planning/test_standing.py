"""People's votes order models that nobody tested in a language, and are never coverage."""

from hypothesis import given
from hypothesis import strategies as st

from whichweights.planning.language_coverage import cover, low_edge, standing
from whichweights_schemas.evidence import Evidence
from whichweights_schemas.languages import LanguageEvidence, LanguageRating, SizePrior

SOURCE = Evidence(fields=("x",), basis="published", source="votes", date="2025-12-17")
ELO = st.floats(min_value=600, max_value=1700)


def rating(elo: float, half: float = 10.0, p95: float = 1480.0) -> LanguageRating:
    return LanguageRating(
        language="zh",
        benchmark="votes",
        rating=elo,
        ci_low=elo - half,
        ci_high=elo + half,
        place=1,
        models=2,
        p95_rating=p95,
        measured_model="org/model",
        evidence=SOURCE,
    )


@given(ELO, ELO)
def test_a_higher_rating_never_stands_lower(one: float, other: float):
    low, high = sorted((one, other))
    assert standing(rating(low)).value <= standing(rating(high)).value


@given(ELO, st.floats(min_value=0, max_value=200))
def test_the_band_holds_the_value_and_stays_on_the_scale(elo: float, half: float):
    band = standing(rating(elo, half))
    assert 0 <= band.low <= band.value <= band.high <= 100


def test_the_95th_percentile_model_stands_at_a_hundred_and_400_below_it_at_a_fifth():
    assert standing(rating(1480)).value == 100
    assert standing(rating(1080)).value == 18.2  # 2 x 1/11, the Elo scale's own definition


def test_votes_alone_make_no_coverage_but_a_place_in_the_ranking():
    covered = cover(
        LanguageEvidence(ratings=(rating(1400),)), "zh", context_tokens=0, window_tokens=None
    )
    assert covered.coverage is None
    assert covered.grade == "U"
    assert covered.verdict == "unknown"
    assert low_edge(covered) == standing(rating(1400)).low


def test_what_was_tested_is_ranked_by_its_coverage():
    prior = SizePrior(
        language="zh", size_class="small", models=9, p10=20, median=40, p90=60, evidence=SOURCE
    )
    evidence = LanguageEvidence(prior=prior, ratings=(rating(1600),))
    covered = cover(evidence, "zh", context_tokens=0, window_tokens=None)
    assert covered.coverage is not None
    assert low_edge(covered) == covered.coverage.low
