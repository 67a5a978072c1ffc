"""What callers write for hardware, and which devices that is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whichweights.registry import ProviderSession, Registry
from whichweights.resolve.accelerators import MAX_BYTES, MAX_DEVICES, Machine, resolve_machine
from whichweights.testing import FakeAccelerators, FakeGpu
from whichweights_schemas.errors import CallerError, InvalidArgument, UnknownAccelerator

GIB = 2**30


def session() -> ProviderSession:
    return Registry().session()


async def machine(*entries: str) -> Machine:
    return await resolve_machine(session(), entries)


@pytest.mark.parametrize(
    ("written", "name", "count"),
    [
        ("RTX 4090", "GeForce RTX 4090", 1),
        ("rtx4090", "GeForce RTX 4090", 1),
        ("NVIDIA GeForce RTX 4090", "GeForce RTX 4090", 1),
        ("2x RTX 4090", "GeForce RTX 4090", 2),
        ("2 x RTX 4090", "GeForce RTX 4090", 2),
        ("2\u00d7RTX 4090", "GeForce RTX 4090", 2),
        ("8xH100 80GB", "H100 SXM5 80GB", 8),
        ("A100 PCIe 40GB", "A100 PCIe 40GB", 1),
        ("M3 Max 64GB", "Apple M3 Max 40-core", 1),
        ("MI300X", "Instinct MI300X", 1),
    ],
)
async def test_devices_are_known_by_the_names_people_use(written: str, name: str, count: int):
    found = await machine(written)
    assert [device.name for device in found.accelerators] == [name] * count
    assert found.sources == dict.fromkeys(range(count), "knowledge")


async def test_a_named_device_counts_as_empty():
    (device,) = (await machine("RTX 4090")).accelerators
    assert device.free_bytes == device.total_bytes


@pytest.mark.parametrize(
    ("written", "shown_gib"),
    [
        ("H100 80GB MIG 1g.10gb", 9.75),
        ("NVIDIA H100 80GB HBM3 MIG 2g.20gb", 19.62),
        ("h100 80gb mig-3g.40gb", 39.5),
        ("A100 40GB MIG 1g.5gb", 4.75),
    ],
)
async def test_a_mig_slice_has_its_share_of_the_device(written: str, shown_gib: float):
    (device,) = (await machine(written)).accelerators
    assert device.mig_profile == written[-len(device.mig_profile or "") :]
    assert device.total_bytes == device.free_bytes
    assert device.total_bytes is not None
    assert device.total_bytes / GIB == pytest.approx(shown_gib, rel=0.03)
    (whole,) = (await machine(written.lower().partition(" mig")[0])).accelerators
    assert device.total_bytes < (whole.total_bytes or 0)


async def test_a_slice_larger_than_its_device_is_refused():
    with pytest.raises(InvalidArgument, match="no slice"):
        await machine("A100 40GB MIG 3g.80gb")


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("24GiB", 24 * GIB),
        ("24 gib", 24 * GIB),
        ("24g", 24 * GIB),
        ("24GB", 24 * 10**9),
        ("24 GB VRAM", 24 * 10**9),
        ("1.5TiB", 3 * 2**39),
        ("512MiB", 2**29),
    ],
)
async def test_a_size_is_a_device_without_a_name(written: str, size: int):
    found = await machine(written)
    (device,) = found.accelerators
    assert device.total_bytes == device.free_bytes == size
    assert device.total_basis == "assumed"


async def test_decimal_gigabytes_are_read_as_such_and_said():
    assert "22.35 GiB" in (await machine("24GB")).notes[0]
    assert "write 24GiB" in (await machine("24 GB VRAM")).notes[0]
    assert (await machine("24GiB")).notes == []


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("64GiB RAM", 64 * GIB),
        ("RAM 64GiB", 64 * GIB),
        ("64 GiB memory", 64 * GIB),
        ("system memory 64GiB", 64 * GIB),
        ("2x 32GiB RAM", 64 * GIB),
    ],
)
async def test_the_memory_of_the_host_is_no_accelerator(written: str, size: int):
    found = await machine(written)
    assert found.accelerators == []
    assert found.memory is not None
    assert (found.memory.kind, found.memory.total_bytes) == ("cpu", size)


@pytest.mark.parametrize(("written", "free_gib"), [("16GiB RAM", 14), ("RAM 4GiB", 3)])
async def test_a_named_memory_keeps_room_for_the_operating_system_and_says_so(
    written: str, free_gib: int
):
    found = await machine(written)
    assert found.memory is not None
    assert found.memory.free_bytes == free_gib * GIB
    assert [entry.basis for entry in found.memory.evidence] == ["assumed"]
    (note,) = found.notes
    assert "kept for the operating system (assumed)" in note


async def test_the_list_is_one_machine():
    found = await machine("RTX 4090", "2x RTX 3090", "64GiB RAM")
    assert found.names == ("GeForce RTX 4090", "2x GeForce RTX 3090")
    assert found.memory is not None


@pytest.mark.parametrize(
    "written", ["0x RTX 4090", f"{MAX_DEVICES + 1}x RTX 4090", "0GiB", "999999999999999TiB"]
)
async def test_senseless_counts_and_sizes_are_refused(written: str):
    with pytest.raises(InvalidArgument) as caught:
        await machine(written)
    assert caught.value.field == "accelerators"


async def test_all_entries_together_stay_within_the_limit():
    with pytest.raises(InvalidArgument):
        await machine(f"{MAX_DEVICES}x RTX 4090", "RTX 4090")


@pytest.mark.parametrize(
    ("written", "near"),
    [("RTX 4091", "GeForce RTX 4090"), ("H10O", "H100"), ("rx 7900 xtz", "Radeon RX 7900 XTX")],
)
async def test_an_unknown_device_suggests_the_nearest(written: str, near: str):
    with pytest.raises(UnknownAccelerator) as caught:
        await machine(written)
    assert any(name.startswith(near) for name in caught.value.suggestions)


async def test_a_device_of_unknown_memory_says_why():
    found = await machine("M2 Ultra")
    assert found.accelerators[0].total_bytes is None
    assert [entry.field for entry in found.unknown] == ["Apple M2 Ultra.total_gib"]


async def test_live_asks_the_gpu_providers():
    registry = Registry(entry_points=())
    registry.add("fake", FakeGpu)
    registry.add("table", FakeAccelerators)
    found = await resolve_machine(registry.session(), ["live", "Fake 24GB"])
    assert found.live
    assert found.sources == {0: "fake", 1: "table"}


async def test_two_providers_that_see_one_card_count_it_once():
    registry = Registry(entry_points=())
    registry.add("first", FakeGpu)
    registry.add("second", FakeGpu)
    found = await resolve_machine(registry.session(), ["live"])
    assert list(found.sources.values()) == ["first"]


async def test_a_machine_without_any_reading_says_so():
    found = await resolve_machine(Registry(entry_points=()).session(), ["live"])
    assert found.accelerators == []
    assert found.notes == ["no GPU was found and the system memory could not be read"]


@settings(max_examples=60)
@given(st.text(max_size=40) | st.from_regex(r"\d{1,20}(\.\d+)? ?(x|g|gb|gib|tb|ram)? ?\w{0,6}"))
async def test_any_text_is_a_machine_or_an_error_of_the_caller(written: str):
    try:
        found = await machine(written)
    except CallerError:
        return
    assert len(found.accelerators) <= MAX_DEVICES
    devices = [*found.accelerators, *filter(None, [found.memory])]
    assert all(0 < (device.total_bytes or 1) <= MAX_BYTES for device in devices)


async def test_several_devices_in_one_text_are_answered_with_the_form_of_a_list():
    with pytest.raises(UnknownAccelerator) as caught:
        await machine("2x H100 80GB,L4")
    assert '["RTX 4090", "64GiB RAM"]' in caught.value.hint


async def test_a_count_beyond_any_machine_is_called_a_count():
    with pytest.raises(InvalidArgument, match="names 999999999 devices"):
        await machine("999999999x H100")
