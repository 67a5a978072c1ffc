"""The `hub` provider passes the contract classes that every plugin author is given."""

import pytest
from invented import dense, packed
from local_hub import LocalHub

from whichweights.testing import ModelProviderContract
from whichweights_plugins.hub.provider import HubProvider


class TestHub(ModelProviderContract):
    known_query = "inventors/Thing-1B"
    has_candidates = False
    has_files = True
    has_relatives = True

    @pytest.fixture
    def provider(self, hub: LocalHub, provider: HubProvider) -> HubProvider:
        hub.add(dense().repo("inventors/Thing-1B"))
        tag = "base_model:quantized:inventors/Thing-1B"
        hub.add(packed(dense()).repo("packers/Thing-1B-AWQ", tags=[tag, "awq"]))
        return provider
