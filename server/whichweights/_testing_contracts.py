"""Tests every provider of a kind must pass. Authors import them from `whichweights.testing`.

Class attributes say what the provider under test knows; a switch that says it lacks something is
held to that, so no test is skipped. `answer_seconds` bounds every answer.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable
from typing import Any, ClassVar, Generic, TypeVar

import anyio
import pytest

from whichweights._registry_listing import BASE_OF_KIND
from whichweights._registry_slots import ACCEPTED_APIS
from whichweights._testing_checks import (
    DATE,
    check_device,
    check_evidence,
    check_prices,
    check_unknown,
    check_wire_form,
)
from whichweights._testing_fakes import fake_model
from whichweights_schemas._base import Settings
from whichweights_schemas.accelerators import DeviceReading
from whichweights_schemas.errors import NoTokenizer
from whichweights_schemas.languages import LanguageEvidence, ScoreEvidence
from whichweights_schemas.models import ModelRef, ModelSpec
from whichweights_schemas.providers import (
    AcceleratorCatalogue,
    AnyProvider,
    ApiModelProvider,
    GpuProvider,
    LanguageProvider,
    ModelProvider,
    PriceProvider,
    ScoreProvider,
    TokenizerProvider,
)
from whichweights_schemas.requests import (
    CandidateFilter,
    FindApiModel,
    FindModel,
    LanguageQuestion,
    LookupAccelerator,
    ModelQuestion,
    PriceQuestion,
    ScoreQuestion,
    TokenizerRequest,
)
from whichweights_schemas.tokenizing import Tokenizer

P = TypeVar("P", bound=AnyProvider)
T = TypeVar("T")

TEXTS = (
    "Which weights should I run?",
    "  two  spaces, a tab\tand a line\nbreak ",
    "Größe, 大きさ, размер, 👩‍🚀",
    "<|endoftext|>",
)


class ProviderContract(Generic[P]):
    """Common to all kinds. Override the fixture `provider`."""

    answer_seconds: ClassVar[float] = 10.0

    @pytest.fixture
    def provider(self) -> P:
        """The provider under test, made by `construct`."""
        pytest.fail(f"{type(self).__name__} must override the fixture `provider`")

    async def within_time(self, answer: Awaitable[T]) -> T:
        with anyio.fail_after(self.answer_seconds):
            return await answer

    def test_the_class_is_a_whole_provider_of_its_kind_and_of_an_accepted_api(self, provider: P):
        provider_class = type(provider)
        assert isinstance(provider, BASE_OF_KIND[provider.kind])
        assert provider.api in ACCEPTED_APIS
        assert not inspect.isabstract(provider_class)
        assert issubclass(provider_class.settings_model, Settings)

    def test_an_unknown_setting_is_refused(self, provider: P):
        assert provider.settings_model.model_config.get("extra") == "forbid"

    async def test_it_is_available_or_says_why_not_in_one_line(self, provider: P):
        reason = await self.within_time(provider.available())
        assert reason is None or (reason.strip() and len(reason.splitlines()) == 1)

    async def test_its_status_is_a_list_of_named_facts(self, provider: P):
        facts = await self.within_time(provider.status())
        assert all(name.strip() and isinstance(fact, str) for name, fact in facts.items())

    async def test_it_warms_up_and_closes_without_a_word_on_standard_output(
        self, provider: P, capfd: pytest.CaptureFixture[str]
    ):
        await self.within_time(provider.warm())
        await self.within_time(provider.aclose())
        assert capfd.readouterr().out == ""


class ModelProviderContract(ProviderContract[ModelProvider[Any]]):
    """`known_query` is a query this provider answers."""

    known_query: ClassVar[str]
    unknown_query: ClassVar[str] = "nobody/no-such-model-7f3a"
    has_candidates: ClassVar[bool] = True
    has_files: ClassVar[bool] = False
    has_relatives: ClassVar[bool] = False

    async def known(self, provider: ModelProvider[Any]) -> tuple[ModelRef, ModelSpec]:
        refs = await self.within_time(provider.find(FindModel(query=self.known_query)))
        assert refs, f"{self.known_query!r} is not found"
        spec = await self.within_time(provider.spec(refs[0]))
        assert spec is not None
        return refs[0], spec

    async def test_a_known_name_is_found_and_told_about(self, provider: ModelProvider[Any]):
        ref, spec = await self.known(provider)
        assert ref.provider == provider.name
        assert ref.match in ("id", "alias")
        assert spec.id == ref.id

    async def test_no_more_refs_than_the_limit(self, provider: ModelProvider[Any]):
        request = FindModel(query=self.known_query, limit=1)
        assert len(await self.within_time(provider.find(request))) == 1

    async def test_the_facts_of_a_model_are_whole(self, provider: ModelProvider[Any]):
        _, spec = await self.known(provider)
        check_wire_form(spec)
        check_evidence(spec.evidence)
        check_unknown(spec.unknown)
        assert spec.evidence
        assert all(0 <= index < len(spec.blocks) for index in spec.layout)
        assert set(spec.layout) == set(range(len(spec.blocks)))
        total, active = spec.parameters.total, spec.parameters.active
        assert total is None or total > 0
        assert total is None or active is None or active <= total

    async def test_an_unknown_name_is_at_most_similar_to_others(self, provider: ModelProvider[Any]):
        refs = await self.within_time(provider.find(FindModel(query=self.unknown_query)))
        assert all(ref.match == "similar" for ref in refs)
        ref = ModelRef(id=self.unknown_query, provider=provider.name)
        assert await self.within_time(provider.spec(ref)) is None

    async def test_candidates_come_in_batches(self, provider: ModelProvider[Any]):
        found: list[ModelSpec] = []
        with anyio.fail_after(self.answer_seconds):
            async for batch in provider.candidates(CandidateFilter()):
                found += batch
        assert bool(found) == self.has_candidates
        assert len({spec.id for spec in found}) == len(found)

    async def test_files_and_relatives_of_a_known_model(self, provider: ModelProvider[Any]):
        ref, _ = await self.known(provider)
        question = ModelQuestion(ref=ref, limit=3)
        files = await self.within_time(provider.files(question))
        relatives = await self.within_time(provider.relatives(question))
        assert bool(files) == self.has_files
        assert bool(relatives) == self.has_relatives
        assert all(file.size_bytes >= 0 and file.path for file in files)
        assert all(relative.id for relative in relatives)


class ApiModelProviderContract(ProviderContract[ApiModelProvider[Any]]):
    """`known_query` is a hosted model this provider knows."""

    known_query: ClassVar[str]
    unknown_query: ClassVar[str] = "no-such-hosted-model-7f3a"

    async def test_a_known_model_is_whole(self, provider: ApiModelProvider[Any]):
        models = await self.within_time(provider.find(FindApiModel(query=self.known_query)))
        assert models
        for model in models:
            check_wire_form(model)
            check_evidence(model.evidence)
            if model.prices:
                check_prices(model.prices)

    async def test_an_unknown_model_is_not_found(self, provider: ApiModelProvider[Any]):
        request = FindApiModel(query=self.unknown_query)
        assert not await self.within_time(provider.find(request))

    async def test_an_empty_query_means_the_makers_own_offers(
        self, provider: ApiModelProvider[Any]
    ):
        models = await self.within_time(provider.find(FindApiModel(query="", limit=5)))
        assert len(models) <= 5
        assert all(model.first_party for model in models)


class TokenizerProviderContract(ProviderContract[TokenizerProvider[Any]]):
    """`known_name` is a model or encoding; `byte_exact` = the tokens' bytes are the text's."""

    known_name: ClassVar[str]
    unknown_name: ClassVar[str] = "nobody/no-such-tokenizer-7f3a"
    byte_exact: ClassVar[bool] = True

    async def known(self, provider: TokenizerProvider[Any]) -> Tokenizer:
        tokenizer = await self.within_time(
            provider.tokenizer(TokenizerRequest(name=self.known_name))
        )
        assert tokenizer is not None
        return tokenizer

    async def test_the_identity_says_which_vocabulary(self, provider: TokenizerProvider[Any]):
        identity = (await self.known(provider)).identity
        assert identity.name.strip()
        assert identity.source.strip()
        check_evidence((identity.evidence,))

    @pytest.mark.parametrize("text", TEXTS)
    async def test_the_count_is_the_number_of_tokens(
        self, provider: TokenizerProvider[Any], text: str
    ):
        tokenizer = await self.known(provider)
        assert tokenizer.count(text) == len(tokenizer.encode(text)) > 0

    async def test_more_text_never_has_fewer_tokens(self, provider: TokenizerProvider[Any]):
        tokenizer = await self.known(provider)
        counts = [tokenizer.count("word " * repeated) for repeated in (0, 1, 10, 100)]
        assert counts == sorted(counts)

    @pytest.mark.parametrize("text", TEXTS)
    async def test_the_tokens_spell_the_text(self, provider: TokenizerProvider[Any], text: str):
        tokenizer = await self.known(provider)
        spelt = b"".join(tokenizer.token_bytes(token) for token in tokenizer.encode(text))
        assert (spelt == text.encode("utf-8")) or not self.byte_exact
        assert spelt

    async def test_a_token_outside_the_vocabulary_is_a_key_error(
        self, provider: TokenizerProvider[Any]
    ):
        tokenizer = await self.known(provider)
        with pytest.raises(KeyError):
            tokenizer.token_bytes(2**40)

    async def test_an_unknown_name_has_no_tokenizer_here(self, provider: TokenizerProvider[Any]):
        request = TokenizerRequest(name=self.unknown_name)
        assert await self.within_time(provider.tokenizer(request)) is None

    async def test_every_name_it_suggests_has_a_tokenizer_or_a_hint_where_to_get_it(
        self, provider: TokenizerProvider[Any]
    ):
        for name in await self.within_time(provider.known_names()):
            found: Tokenizer | str | None
            try:
                found = await self.within_time(provider.tokenizer(TokenizerRequest(name=name)))
            except NoTokenizer as missing:
                found = missing.hint
            assert found, name


class GpuProviderContract(ProviderContract[GpuProvider[Any]]):
    """Runs on any machine: without the driver, `available` must say so and nothing may raise."""

    async def reading(self, provider: GpuProvider[Any]) -> DeviceReading:
        return await self.within_time(provider.accelerators())

    async def test_a_reading_is_whole(self, provider: GpuProvider[Any]):
        reading = await self.reading(provider)
        check_wire_form(reading)
        check_unknown(reading.unknown)
        assert reading.memory is None or reading.memory.kind == "cpu"
        for device in (*reading.accelerators, *([reading.memory] if reading.memory else [])):
            check_device(device)
            if device.total_bytes is None:
                assert "total_bytes" in {row.field for row in device.unknown}

    async def test_no_two_devices_have_one_uuid(self, provider: GpuProvider[Any]):
        reading = await self.reading(provider)
        uuids = [device.uuid for device in reading.accelerators if device.uuid]
        assert len(set(uuids)) == len(uuids)

    async def test_without_its_driver_it_reports_no_device(self, provider: GpuProvider[Any]):
        reason = await self.within_time(provider.available())
        reading = await self.reading(provider)
        assert reason is None or reading.accelerators == ()


class AcceleratorCatalogueContract(ProviderContract[AcceleratorCatalogue[Any]]):
    """`known_name` is a device this catalogue knows."""

    known_name: ClassVar[str]
    unknown_name: ClassVar[str] = "No Such Device 7f3a"

    async def test_a_known_device_is_whole(self, provider: AcceleratorCatalogue[Any]):
        request = LookupAccelerator(name=self.known_name)
        devices = await self.within_time(provider.lookup(request))
        assert devices
        for device in devices:
            check_device(device)
            assert device.evidence
            assert device.uuid is None

    async def test_case_does_not_matter(self, provider: AcceleratorCatalogue[Any]):
        found = [
            await self.within_time(provider.lookup(LookupAccelerator(name=name)))
            for name in (self.known_name, self.known_name.lower(), self.known_name.upper())
        ]
        assert list(found[0]) == list(found[1]) == list(found[2])

    async def test_an_unknown_device_is_not_found(self, provider: AcceleratorCatalogue[Any]):
        request = LookupAccelerator(name=self.unknown_name)
        assert not await self.within_time(provider.lookup(request))

    async def test_every_name_it_suggests_is_found(self, provider: AcceleratorCatalogue[Any]):
        for name in await self.within_time(provider.names()):
            assert await self.within_time(provider.lookup(LookupAccelerator(name=name)))


class LanguageProviderContract(ProviderContract[LanguageProvider[Any]]):
    """`model` in `known_language` is something this provider has evidence about."""

    model: ClassVar[ModelSpec] = fake_model()
    known_language: ClassVar[str]

    async def evidence(
        self, provider: LanguageProvider[Any], model: ModelSpec, language: str
    ) -> LanguageEvidence:
        question = LanguageQuestion(model=model, language=language)
        return await self.within_time(provider.evidence(question))

    async def test_the_evidence_is_about_the_language_and_sourced(
        self, provider: LanguageProvider[Any]
    ):
        found = await self.evidence(provider, self.model, self.known_language)
        assert found != LanguageEvidence()
        check_wire_form(found)
        for row in (*found.scores, *found.fertility, *found.retention):
            assert row.language.partition("-")[0] == self.known_language.partition("-")[0]
            check_evidence((row.evidence,))
        if found.prior:
            assert found.prior.p10 <= found.prior.median <= found.prior.p90
            check_evidence((found.prior.evidence,))

    async def test_nothing_known_is_an_answer_too(self, provider: LanguageProvider[Any]):
        found = await self.evidence(provider, fake_model("nobody/no-such-model-7f3a"), "qaa")
        assert found.scores == ()
        assert found.retention == ()


class ScoreProviderContract(ProviderContract[ScoreProvider[Any]]):
    """`model` is one this provider has evidence about."""

    model: ClassVar[ModelSpec] = fake_model()

    async def test_the_evidence_is_sourced(self, provider: ScoreProvider[Any]):
        found = await self.within_time(provider.evidence(ScoreQuestion(model=self.model)))
        assert found != ScoreEvidence()
        check_wire_form(found)
        check_evidence([row.evidence for row in (*found.scores, *found.priors)])
        assert all(prior.p25 <= prior.median <= prior.p75 for prior in found.priors)

    async def test_one_skill_gives_rows_of_that_skill(self, provider: ScoreProvider[Any]):
        everything = await self.within_time(provider.evidence(ScoreQuestion(model=self.model)))
        for skill in {row.skill for row in (*everything.scores, *everything.priors)}:
            question = ScoreQuestion(model=self.model, skill=skill)
            found = await self.within_time(provider.evidence(question))
            assert {row.skill for row in (*found.scores, *found.priors)} == {skill}

    async def test_an_unknown_skill_has_no_rows(self, provider: ScoreProvider[Any]):
        question = ScoreQuestion(model=self.model, skill="no-such-skill-7f3a")
        assert await self.within_time(provider.evidence(question)) == ScoreEvidence()


class PriceProviderContract(ProviderContract[PriceProvider[Any]]):
    """`known_device` and `known_api_model`: what has a price here; None = nothing of the kind."""

    known_device: ClassVar[str | None] = None
    known_api_model: ClassVar[str | None] = None
    unknown_name: ClassVar[str] = "no-such-thing-7f3a"

    async def test_a_known_price_has_a_date_and_a_source(self, provider: PriceProvider[Any]):
        assert self.known_device or self.known_api_model
        if self.known_device:
            question = PriceQuestion(device=self.known_device)
            price = await self.within_time(provider.device_price(question))
            assert price is not None
            assert price.usd_per_hour >= 0
            assert DATE.fullmatch(price.date)
            assert price.source.strip()
        if self.known_api_model:
            question = PriceQuestion(api_model=self.known_api_model)
            tokens = await self.within_time(provider.token_prices(question))
            assert tokens is not None
            check_prices(tokens)

    async def test_an_unknown_name_has_no_price(self, provider: PriceProvider[Any]):
        device = PriceQuestion(device=self.unknown_name)
        model = PriceQuestion(api_model=self.unknown_name)
        assert await self.within_time(provider.device_price(device)) is None
        assert await self.within_time(provider.token_prices(model)) is None
