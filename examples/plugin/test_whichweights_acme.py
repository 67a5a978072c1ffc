import pytest
from whichweights_acme import AcmeDevices

from whichweights.testing import AcceleratorCatalogueContract, construct
from whichweights_schemas.requests import LookupAccelerator

DEVICES = [{"name": "Acme Rack A", "memory_gib": 44.5, "measured": "2026-10-02"}]


class TestAcmeDevices(AcceleratorCatalogueContract):
    known_name = "Acme Rack A"

    @pytest.fixture
    def provider(self) -> AcmeDevices:
        return construct(AcmeDevices, {"devices": DEVICES})


async def test_memory_is_given_in_bytes():
    provider = construct(AcmeDevices, {"devices": DEVICES})
    (device,) = await provider.lookup(LookupAccelerator(name="acme rack a"))
    assert device.total_bytes == 47_781_511_168


async def test_without_devices_it_says_how_to_configure_some():
    assert "[providers.acme]" in (await construct(AcmeDevices).available() or "")
