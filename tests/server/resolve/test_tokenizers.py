"""A model is counted with its own tokenizer, or not at all."""

import pytest

from whichweights.registry import ProviderSession, Registry
from whichweights.resolve.tokenizers import hosted_model, resolve_tokenizer
from whichweights.testing import FakeModels, FakeTokenizers
from whichweights_schemas.errors import ModelNotFound, NoTokenizer
from whichweights_schemas.requests import TokenizerRequest
from whichweights_schemas.tokenizing import Tokenizer


def session() -> ProviderSession:
    return Registry().session()


@pytest.mark.parametrize(
    ("name", "tokenizer", "window"),
    [
        ("gpt-4o", "o200k_base", 128_000),
        ("openai/gpt-4o", "o200k_base", 128_000),
        ("gpt-4", "cl100k_base", 8_192),
        ("o200k_base", "o200k_base", None),
    ],
)
async def test_a_name_brings_its_tokenizer_and_window(
    name: str, tokenizer: str, window: int | None
):
    counted = await resolve_tokenizer(session(), name)
    assert counted.tokenizer is not None
    assert counted.tokenizer.identity.name == tokenizer
    assert (counted.api.context_tokens if counted.api else None) == window


async def test_a_model_whose_tokenizer_is_not_installed_is_refused():
    registry = Registry(entry_points=())
    registry.add("models", FakeModels)
    with pytest.raises(NoTokenizer) as caught:
        await resolve_tokenizer(registry.session(), "fake/Fake-1B")
    assert "fake/Fake-1B" in caught.value.message


async def test_a_bare_size_has_no_tokenizer():
    with pytest.raises(NoTokenizer):
        await resolve_tokenizer(session(), "7B")


async def test_an_unknown_name_is_not_found_and_names_near_encodings():
    with pytest.raises(ModelNotFound) as caught:
        await resolve_tokenizer(session(), "o200k")
    assert "o200k_base" in caught.value.suggestions
    assert caught.value.field == "models"


async def test_a_tokenizer_may_be_found_by_the_resolved_model():
    registry = Registry(entry_points=())
    registry.add("models", FakeModels)
    registry.add("tokenizers", FakeTokenizers)
    counted = await resolve_tokenizer(registry.session(), "fake/Fake-1B")
    assert counted.tokenizer is not None
    assert counted.tokenizer.count("a b c") > 0


async def test_a_hosted_model_is_found_by_name_or_is_none():
    found = await hosted_model(session(), "gpt-4o")
    assert found is not None
    assert found.vendor == "openai"
    assert await hosted_model(session(), "nobody has this") is None


async def test_what_is_on_this_machine_is_asked_before_what_asks_another_one():
    asked: list[str] = []

    class Far(FakeTokenizers):
        last_resort = True

        async def tokenizer(self, request: TokenizerRequest) -> Tokenizer | None:
            asked.append("far")
            return await super().tokenizer(request)

    class Near(FakeTokenizers):
        async def tokenizer(self, request: TokenizerRequest) -> Tokenizer | None:
            asked.append("near")
            return await super().tokenizer(request)

    registry = Registry(entry_points=())
    registry.add("far", Far)
    registry.add("near", Near)
    await resolve_tokenizer(registry.session(), "bytes")
    assert asked == ["near"]
