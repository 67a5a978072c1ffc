"""The union of what the language providers know, and who is clearly better."""

from collections.abc import Mapping
from typing import ClassVar

from whichweights.registry import Registry
from whichweights.resolve.language_evidence import find_better, find_language, language_evidence
from whichweights.resolve.languages import ResolvedLanguage
from whichweights.resolve.models import resolve_model
from whichweights.testing import FakeLanguages, fake_model

GERMAN = ResolvedLanguage("de", "de", "German")


class OtherScores(FakeLanguages):
    """A second opinion."""

    scores: ClassVar[Mapping[str, float]] = {"de": 40.0, "fr": 50.0}


async def test_evidence_of_all_providers_is_joined():
    registry = Registry(entry_points=())
    registry.add("first", FakeLanguages)
    registry.add("second", OtherScores)
    evidence = await language_evidence(registry.session(), fake_model(), "de", 0)
    assert [score.normalized for score in evidence.scores] == [80.0, 40.0]
    only = await language_evidence(registry.session(), fake_model(), "fr", 0)
    assert [score.normalized for score in only.scores] == [50.0]


async def test_no_provider_gives_no_number():
    session = Registry(entry_points=()).session()
    finding = await find_language(session, fake_model(), GERMAN, 0)
    assert finding.coverage.coverage is None
    assert finding.coverage.grade == "U"


async def test_better_models_are_measured_smaller_and_clearly_better():
    session = Registry().session()
    spec = (await resolve_model(session, "meta-llama/Llama-3.1-8B-Instruct")).spec
    finding = await find_language(session, spec, GERMAN, 131_072)
    assert finding.coverage.coverage is not None
    better = await find_better(session, spec, finding, limit=3)
    assert 1 <= len(better) <= 3
    for score, coverage in better:
        assert coverage.coverage is not None
        assert coverage.coverage.value > finding.coverage.coverage.value + 5
        assert score.parameters is None or score.parameters <= (spec.parameters.total or 0)
        assert score.measured_model != spec.id
