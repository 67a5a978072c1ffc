"""The kit for plugin authors: its fakes pass its contracts, and its contracts catch mistakes."""

import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import whichweights.testing
from whichweights.testing import (
    AcceleratorCatalogueContract,
    ApiModelProviderContract,
    FakeAccelerators,
    FakeApiModels,
    FakeGpu,
    FakeLanguages,
    FakeModels,
    FakePrices,
    FakeScores,
    FakeTokenizer,
    FakeTokenizers,
    GpuProviderContract,
    LanguageProviderContract,
    ModelProviderContract,
    PriceProviderContract,
    ScoreProviderContract,
    TokenizerProviderContract,
    construct,
    fake_model,
)
from whichweights_schemas.accelerators import Accelerator, DeviceReading
from whichweights_schemas.evidence import Evidence
from whichweights_schemas.languages import LanguageEvidence
from whichweights_schemas.models import ModelRef, ModelSpec
from whichweights_schemas.requests import (
    FindModel,
    LanguageQuestion,
    LookupAccelerator,
    TokenizerRequest,
)
from whichweights_schemas.tokenizing import Tokenizer


class TestFakeModels(ModelProviderContract):
    known_query = "fake/fake-1b"

    @pytest.fixture
    def provider(self) -> FakeModels:
        return construct(FakeModels)


class TestFakeApiModels(ApiModelProviderContract):
    known_query = "fake-api-1"

    @pytest.fixture
    def provider(self) -> FakeApiModels:
        return construct(FakeApiModels)


class TestFakeTokenizers(TokenizerProviderContract):
    known_name = "bytes"

    @pytest.fixture
    def provider(self) -> FakeTokenizers:
        return construct(FakeTokenizers)


class TestFakeGpu(GpuProviderContract):
    @pytest.fixture
    def provider(self) -> FakeGpu:
        return construct(FakeGpu)


class TestFakeAccelerators(AcceleratorCatalogueContract):
    known_name = "Fake 24GB"

    @pytest.fixture
    def provider(self) -> FakeAccelerators:
        return construct(FakeAccelerators)


class TestFakeLanguages(LanguageProviderContract):
    known_language = "de"

    @pytest.fixture
    def provider(self) -> FakeLanguages:
        return construct(FakeLanguages)


class TestFakeScores(ScoreProviderContract):
    @pytest.fixture
    def provider(self) -> FakeScores:
        return construct(FakeScores)


class TestFakePrices(PriceProviderContract):
    known_device = "Fake 24GB"
    known_api_model = "fake-api-1"

    @pytest.fixture
    def provider(self) -> FakePrices:
        return construct(FakePrices)


class GibibytesForBytes(FakeGpu):
    reading = DeviceReading(accelerators=(Accelerator(name="Fake", total_bytes=24, free_bytes=20),))


class OneUuidTwice(FakeGpu):
    reading = DeviceReading(accelerators=FakeGpu.reading.accelerators * 2)


class DevicesWithoutDriver(FakeGpu):
    absent = "no driver"


class UndatedDevices(FakeAccelerators):
    devices = (
        Accelerator(
            name="Fake 24GB",
            evidence=(Evidence(fields=("name",), basis="published", source="somewhere"),),
        ),
    )


class CaseMatters(FakeAccelerators):
    async def lookup(self, request: LookupAccelerator) -> Sequence[Accelerator]:
        return [device for device in self.devices if device.name == request.name]


class ClaimsToKnow(FakeModels):
    async def find(self, request: FindModel) -> Sequence[ModelRef]:
        return [ModelRef(id=self.models[0].id, provider=self.name, match="id")]


class AnswersForAnother(FakeModels):
    async def spec(self, ref: ModelRef) -> ModelSpec | None:
        return fake_model("other/Other-1B")


class UnusedBlocks(FakeModels):
    models = (fake_model().model_copy(update={"layout": ()}),)


class OffByOne(FakeTokenizers):
    async def tokenizer(self, request: TokenizerRequest) -> Tokenizer | None:
        class CountsBeginning(FakeTokenizer):
            def count(self, text: str) -> int:
                return super().count(text) + 1

        return CountsBeginning()


class AnotherLanguage(FakeLanguages):
    async def evidence(self, request: LanguageQuestion) -> LanguageEvidence:
        return await super().evidence(request.model_copy(update={"language": "de"}))


class ReasonOfTwoLines(FakeGpu):
    absent = "no driver\nTraceback"


MODELS, GPU, DEVICES = TestFakeModels(), TestFakeGpu(), TestFakeAccelerators()
TOKENIZERS, LANGUAGES = TestFakeTokenizers(), TestFakeLanguages()
LANGUAGES_IN_FRENCH = type("French", (TestFakeLanguages,), {"known_language": "fr"})()


@pytest.mark.parametrize(
    ("test", "provider"),
    [
        (GPU.test_a_reading_is_whole, GibibytesForBytes),
        (GPU.test_no_two_devices_have_one_uuid, OneUuidTwice),
        (GPU.test_without_its_driver_it_reports_no_device, DevicesWithoutDriver),
        (GPU.test_it_is_available_or_says_why_not_in_one_line, ReasonOfTwoLines),
        (DEVICES.test_a_known_device_is_whole, UndatedDevices),
        (DEVICES.test_case_does_not_matter, CaseMatters),
        (MODELS.test_an_unknown_name_is_at_most_similar_to_others, ClaimsToKnow),
        (MODELS.test_a_known_name_is_found_and_told_about, AnswersForAnother),
        (MODELS.test_the_facts_of_a_model_are_whole, UnusedBlocks),
        (TOKENIZERS.test_an_unknown_name_has_no_tokenizer_here, OffByOne),
        (LANGUAGES_IN_FRENCH.test_the_evidence_is_about_the_language_and_sourced, AnotherLanguage),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_a_contract_catches_the_mistake(
    test: Callable[[Any], Awaitable[None]], provider: type[Any]
):
    with pytest.raises(AssertionError):
        await test(construct(provider))


async def test_a_count_that_is_not_the_number_of_tokens_is_caught():
    with pytest.raises(AssertionError):
        await TOKENIZERS.test_the_count_is_the_number_of_tokens(construct(OffByOne), "text")


def test_every_public_name_of_the_kit_is_there():
    for name in whichweights.testing.__all__:
        assert getattr(whichweights.testing, name)


def test_a_failing_contract_shows_the_values_without_any_set_up_by_the_author(tmp_path: Path):
    file = tmp_path / "test_broken.py"
    file.write_text(
        "import pytest\n"
        "from whichweights.testing import AcceleratorCatalogueContract\n"
        "from whichweights.testing import FakeAccelerators, construct\n"
        "class TestBroken(AcceleratorCatalogueContract):\n"
        "    known_name = 'Fake 24GB'\n"
        "    unknown_name = 'Fake 24GB'\n"
        "    @pytest.fixture\n"
        "    def provider(self):\n"
        "        return construct(FakeAccelerators)\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto",
         "--rootdir", str(tmp_path), str(file)],
        cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip
    assert "1 failed" in done.stdout
    assert "assert not [Accelerator(name='Fake 24GB'" in done.stdout
