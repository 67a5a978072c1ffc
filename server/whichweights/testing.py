"""For plugin authors and users: fakes that need no machine, and tests every provider must pass.

A contract is a class of tests. Subclass it, name what your provider knows, and give the fixture:

    class TestAcme(AcceleratorCatalogueContract):
        known_name = "Acme X1"

        @pytest.fixture
        def provider(self) -> AcmeDevices:
            return construct(AcmeDevices, {"file": "devices.toml"})

The tests are coroutines: run them with pytest-asyncio in auto mode (extra `whichweights[testing]`).
"""

from __future__ import annotations

import pytest

# Before the import below: else a failing contract would print a bare AssertionError.
pytest.register_assert_rewrite("whichweights._testing_checks", "whichweights._testing_contracts")

from whichweights._testing_contracts import (  # noqa: E402  (see above)
    AcceleratorCatalogueContract,
    ApiModelProviderContract,
    GpuProviderContract,
    LanguageProviderContract,
    ModelProviderContract,
    PriceProviderContract,
    ProviderContract,
    ScoreProviderContract,
    TokenizerProviderContract,
)
from whichweights._testing_fakes import (  # noqa: E402
    FakeAccelerators,
    FakeApiModels,
    FakeGpu,
    FakeLanguages,
    FakeModels,
    FakePrices,
    FakeScores,
    FakeTokenizer,
    FakeTokenizers,
    construct,
    fake_model,
)

__all__ = [
    "AcceleratorCatalogueContract",
    "ApiModelProviderContract",
    "FakeAccelerators",
    "FakeApiModels",
    "FakeGpu",
    "FakeLanguages",
    "FakeModels",
    "FakePrices",
    "FakeScores",
    "FakeTokenizer",
    "FakeTokenizers",
    "GpuProviderContract",
    "LanguageProviderContract",
    "ModelProviderContract",
    "PriceProviderContract",
    "ProviderContract",
    "ScoreProviderContract",
    "TokenizerProviderContract",
    "construct",
    "fake_model",
]
