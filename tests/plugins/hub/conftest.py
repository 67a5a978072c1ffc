"""The local Hub, and the provider pointed at it; tests import the helpers beside them."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "tokenizers"))

from local_hub import LocalHub, MakeProvider

from whichweights.testing import construct
from whichweights_plugins.hub.provider import HubProvider


@pytest.fixture(scope="session")
def running_hub() -> Iterator[LocalHub]:
    with LocalHub() as running:
        yield running


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, running_hub: LocalHub) -> Iterator[LocalHub]:
    import huggingface_hub.constants

    for name in ("HF_HUB_OFFLINE", "HF_TOKEN", "HF_ENDPOINT", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    running_hub.reset()
    yield running_hub
    running_hub.reset()


@pytest.fixture
async def make(hub: LocalHub, tmp_path: Path) -> AsyncIterator[MakeProvider]:
    """Makes providers with these settings on top of the local Hub's, and closes them."""
    made: list[HubProvider] = []

    def maker(**settings: object) -> HubProvider:
        given = {"endpoint": hub.endpoint, "cache_file": str(tmp_path / "cache.sqlite"), **settings}
        made.append(construct(HubProvider, given, name="hub"))
        return made[-1]

    yield maker
    for provider in made:
        await provider.aclose()


@pytest.fixture
def provider(make: MakeProvider) -> HubProvider:
    return make()
