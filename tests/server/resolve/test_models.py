"""A name means one model, or the candidates are named; never a silent pick."""

from collections.abc import Sequence

import pytest

from whichweights.registry import ProviderSession, Registry
from whichweights.resolve.models import resolve_model
from whichweights.testing import FakeApiModels, FakeModels, fake_model
from whichweights_schemas.api_models import ApiModel
from whichweights_schemas.errors import (
    AmbiguousModel,
    ModelNotFound,
    UnsupportedArchitecture,
    WhichweightsError,
)
from whichweights_schemas.models import ModelRef, ModelSpec
from whichweights_schemas.requests import FindApiModel, FindModel


def catalogue() -> ProviderSession:
    return Registry().session()


class Listing(FakeModels):
    """Answers every query with `refs`, whose specs it knows but those of `forgotten`."""

    refs: Sequence[ModelRef] = ()
    forgotten: Sequence[str] = ()

    async def find(self, request: FindModel) -> Sequence[ModelRef]:
        return self.refs

    async def spec(self, ref: ModelRef) -> ModelSpec | None:
        return None if ref.id in self.forgotten else fake_model(ref.id)


def ref(name: str, *, match: str = "partial", kind: str | None = None) -> ModelRef:
    return ModelRef.model_validate(
        {"id": name, "provider": "listing", "match": match, "kind": kind}
    )


def listed(*refs: ModelRef, forgotten: Sequence[str] = ()) -> ProviderSession:
    registry = Registry(entry_points=())
    namespace = {"refs": refs, "forgotten": forgotten, "__module__": __name__}
    registry.add("listing", type("Listed", (Listing,), namespace))
    return registry.session()


@pytest.mark.parametrize(
    ("written", "model"),
    [
        ("Qwen/Qwen3-32B", "Qwen/Qwen3-32B"),
        ("qwen/qwen3-32b", "Qwen/Qwen3-32B"),
        ("qwen3 32b", "Qwen/Qwen3-32B"),
        ("Qwen3-32B", "Qwen/Qwen3-32B"),
        ("llama 3.1 8b", "meta-llama/Llama-3.1-8B-Instruct"),
        ("meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B"),
        ("mixtral 8x7b", "mistralai/Mixtral-8x7B-Instruct-v0.1"),
        ("gpt-oss 20b", "openai/gpt-oss-20b"),
    ],
)
async def test_the_names_people_use_mean_one_model(written: str, model: str):
    assert (await resolve_model(catalogue(), written)).spec.id == model


@pytest.mark.parametrize("written", ["qwen 32b", "qwen", "llama"])
async def test_a_name_of_several_models_lists_them(written: str):
    with pytest.raises(AmbiguousModel) as caught:
        await resolve_model(catalogue(), written)
    assert 1 < len(caught.value.suggestions) <= 8
    assert caught.value.field == "model"


@pytest.mark.parametrize("written", ["7B", "0.5b", "8x7B", "1.5 B", "405B"])
async def test_a_bare_size_is_generic_and_says_so(written: str):
    resolved = await resolve_model(catalogue(), written)
    assert resolved.provider == "generic"
    assert resolved.spec.parameters.total_basis == "prior"
    assert "bare size" in resolved.notes[0]


async def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(ModelNotFound) as caught:
        await resolve_model(catalogue(), "qwem3 32b")
    assert "Qwen/Qwen3-32B" in caught.value.suggestions


async def test_the_argument_that_was_wrong_is_named():
    with pytest.raises(ModelNotFound) as caught:
        await resolve_model(catalogue(), "nobody knows this one", argument="candidates")
    assert caught.value.field == "candidates"


@pytest.mark.parametrize("written", ["gpt-4o", "openai/gpt-4o", "claude-sonnet-4"])
async def test_a_hosted_model_is_known_and_refused(written: str):
    with pytest.raises(UnsupportedArchitecture):
        await resolve_model(catalogue(), written)


@pytest.mark.parametrize("written", ["", "@", "@main", "a" * 300, "\u202e", "%00", "7B 7B"])
async def test_senseless_names_are_errors_of_the_caller(written: str):
    with pytest.raises(WhichweightsError) as caught:
        await resolve_model(catalogue(), written)
    assert len(caught.value.message) < 200


async def test_an_exact_id_beats_every_other_match():
    session = listed(ref("a/A", match="id"), ref("a/A-Instruct", match="alias"))
    assert (await resolve_model(session, "a/A")).spec.id == "a/A"


async def test_of_a_base_and_an_instruct_model_the_instruct_one_is_meant():
    session = listed(ref("a/A", kind="base"), ref("a/A-it", kind="instruct"))
    resolved = await resolve_model(session, "a")
    assert resolved.spec.id == "a/A-it"
    assert any("instruct" in note for note in resolved.notes)


async def test_two_instruct_models_are_never_a_silent_pick():
    session = listed(ref("a/A", kind="instruct"), ref("b/A", kind="instruct"))
    with pytest.raises(AmbiguousModel) as caught:
        await resolve_model(session, "a")
    assert caught.value.suggestions == ("a/A", "b/A")


async def test_a_guess_is_said():
    resolved = await resolve_model(listed(ref("a/Ab")), "ab")
    assert any("understood as a/Ab" in note for note in resolved.notes)


async def test_similar_names_are_suggestions_never_answers():
    with pytest.raises(ModelNotFound) as caught:
        await resolve_model(listed(ref("a/Ab", match="similar")), "abb")
    assert caught.value.suggestions == ("a/Ab",)


async def test_a_revision_is_said_to_be_unread():
    resolved = await resolve_model(listed(ref("a/A", match="id")), "a/A@v2")
    assert resolved.spec.id == "a/A"
    assert any("revision v2" in note for note in resolved.notes)


async def test_a_provider_that_lists_what_it_does_not_know_is_an_error_of_its_own():
    with pytest.raises(ModelNotFound) as caught:
        await resolve_model(listed(ref("a/A", match="id"), forgotten=("a/A",)), "a/A")
    assert "provider listing" in caught.value.message


async def test_an_open_weight_model_known_only_as_hosted_is_not_called_undisclosed():
    registry = Registry(entry_points=())
    registry.add("api", FakeApiModels)
    with pytest.raises((ModelNotFound, UnsupportedArchitecture)):
        await resolve_model(registry.session(), "anything")


async def test_without_any_provider_nothing_is_known():
    with pytest.raises(ModelNotFound):
        await resolve_model(Registry(entry_points=()).session(), "llama 3.1 8b")


@pytest.mark.parametrize("written", ["qwen3 next 80b", "Qwen3 Next 80B"])
async def test_a_name_an_instruct_and_a_thinking_model_share_means_instruct_and_says_so(
    written: str,
):
    found = await resolve_model(catalogue(), written)
    assert found.spec.id == "Qwen/Qwen3-Next-80B-A3B-Instruct"
    assert any("thinking model share means instruct" in note for note in found.notes)


@pytest.mark.parametrize(
    "ids",
    [
        ("a/M-8B-Instruct", "a/M-32B-Thinking"),
        ("a/M-8B-Instruct", "b/M-8B-Thinking"),
        ("a/M-8B-Instruct", "a/M-8B-Thinking", "a/M-8B-Coder"),
    ],
)
async def test_instruct_and_thinking_of_several_sizes_stay_ambiguous(
    ids: Sequence[str],
):
    with pytest.raises(AmbiguousModel) as caught:
        await resolve_model(listed(*map(ref, ids)), "m")
    assert caught.value.suggestions == ids


@pytest.mark.parametrize(
    ("dates", "first"),
    [
        ((None, "2025-09-29", "2025-05-14"), "claude-sonnet-6"),
        (("2025-01-01", "2025-09-29", "2025-05-14"), "claude-sonnet-4-10"),
    ],
)
async def test_of_hosted_models_the_highest_version_comes_first_where_a_date_is_missing(
    dates: Sequence[str | None], first: str
):
    ids = ("claude-sonnet-6", "claude-sonnet-4-10", "claude-sonnet-4-9-20250514")
    models = [
        FakeApiModels.models[0].model_copy(update={"id": id, "release_date": date})
        for id, date in zip(ids, dates, strict=True)
    ]
    registry = Registry(entry_points=())
    registry.add("models", FakeModels)

    class Hosted(FakeApiModels):
        async def find(self, request: FindApiModel) -> Sequence[ApiModel]:
            return models if not request.query else []

    registry.add("hosted", Hosted)
    with pytest.raises(ModelNotFound) as caught:
        await resolve_model(registry.session(), "claude sonnet")
    assert caught.value.suggestions[0] == first
