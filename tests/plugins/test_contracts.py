"""The built-in providers pass the contract classes that every plugin author is given."""

import pytest

from whichweights.testing import (
    AcceleratorCatalogueContract,
    ApiModelProviderContract,
    GpuProviderContract,
    LanguageProviderContract,
    ModelProviderContract,
    PriceProviderContract,
    ScoreProviderContract,
    TokenizerProviderContract,
    construct,
    fake_model,
)
from whichweights_plugins.gpu.nvml import NvmlProvider
from whichweights_plugins.gpu.system import SystemProvider
from whichweights_plugins.knowledge.accelerators import KnowledgeAccelerators
from whichweights_plugins.knowledge.api_models import KnowledgeApiModels
from whichweights_plugins.knowledge.languages import KnowledgeLanguages
from whichweights_plugins.knowledge.models import CatalogueProvider
from whichweights_plugins.knowledge.prices import KnowledgePrices
from whichweights_plugins.knowledge.scores import KnowledgeScores
from whichweights_plugins.tokenizers.mistral_tokenizers import MistralTokenizers
from whichweights_plugins.tokenizers.open_vocabularies import OpenVocabularies
from whichweights_plugins.tokenizers.openai_encodings import OpenAIEncodings

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


class TestCatalogue(ModelProviderContract):
    known_query = LLAMA
    has_relatives = True

    @pytest.fixture
    def provider(self) -> CatalogueProvider:
        return construct(CatalogueProvider)


class TestApiModels(ApiModelProviderContract):
    known_query = "gpt-4o"

    @pytest.fixture
    def provider(self) -> KnowledgeApiModels:
        return construct(KnowledgeApiModels)


class TestOpenAIEncodings(TokenizerProviderContract):
    known_name = "o200k_base"

    @pytest.fixture
    def provider(self) -> OpenAIEncodings:
        return construct(OpenAIEncodings)


class TestOpenVocabularies(TokenizerProviderContract):
    known_name = "llama3"

    @pytest.fixture
    def provider(self) -> OpenVocabularies:
        return construct(OpenVocabularies)


class TestMistralTokenizers(TokenizerProviderContract):
    known_name = "mistral-v3-tekken"

    @pytest.fixture
    def provider(self) -> MistralTokenizers:
        return construct(MistralTokenizers)


class TestNvml(GpuProviderContract):
    @pytest.fixture
    def provider(self) -> NvmlProvider:
        return construct(NvmlProvider)


class TestSystem(GpuProviderContract):
    @pytest.fixture
    def provider(self) -> SystemProvider:
        return construct(SystemProvider)


class TestAccelerators(AcceleratorCatalogueContract):
    known_name = "RTX 4090"

    @pytest.fixture
    def provider(self) -> KnowledgeAccelerators:
        return construct(KnowledgeAccelerators)


class TestLanguages(LanguageProviderContract):
    model = fake_model(LLAMA)
    known_language = "de"

    @pytest.fixture
    def provider(self) -> KnowledgeLanguages:
        return construct(KnowledgeLanguages)


class TestScores(ScoreProviderContract):
    model = fake_model(LLAMA)

    @pytest.fixture
    def provider(self) -> KnowledgeScores:
        return construct(KnowledgeScores)


class TestPrices(PriceProviderContract):
    known_api_model = "gpt-4o"

    @pytest.fixture
    def provider(self) -> KnowledgePrices:
        return construct(KnowledgePrices)
