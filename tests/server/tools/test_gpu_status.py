"""gpu_status: live or looked up; what could not be read has its reason."""

import pytest

from whichweights.registry import Registry
from whichweights.testing import FakeGpu
from whichweights.toolbox import Toolbox
from whichweights.tools import tool_specs
from whichweights_schemas.accelerators import Accelerator, DeviceReading
from whichweights_schemas.errors import UnknownAccelerator
from whichweights_schemas.evidence import Evidence, Unknown


async def test_live_reads_system_memory_on_any_machine(tools: Toolbox):
    answer = await tools.gpu_status()
    assert answer.system_memory is not None
    assert answer.system_memory.total_gib
    assert answer.system_memory.free_gib is not None
    assert answer.system_memory.free_gib <= answer.system_memory.total_gib
    assert {report.kind for report in answer.providers} == {"gpu"}
    for report in answer.providers:
        assert report.status == "answered" or report.detail
    if not answer.devices:
        assert any("no GPU was found" in warning for warning in answer.warnings)


async def test_read_at_is_utc_with_seconds(tools: Toolbox):
    answer = await tools.gpu_status()
    assert answer.read_at.endswith("Z")
    assert len(answer.read_at) == len("2026-11-20T22:45:26Z")


class TwoCards(FakeGpu):
    """A machine with two cards, one of them half in use, one unreadable."""

    reading = DeviceReading(
        accelerators=(
            Accelerator(
                name="Busy", uuid="GPU-1", total_bytes=2**34, free_bytes=2**33, used_bytes=2**33,
                evidence=(Evidence(fields=("total_bytes",), basis="exact", source="driver"),),
            ),
            Accelerator(
                name="Mute", uuid="GPU-2",
                unknown=(Unknown(field="free_bytes", reason="the driver does not tell"),),
            ),
        ),
        warnings=("the driver is old",),
    )  # fmt: skip


async def test_a_live_device_shows_what_the_driver_says_now():
    registry = Registry(entry_points=())
    registry.add("fake", TwoCards)
    answer = await Toolbox(registry, tool_specs()).gpu_status()
    busy, mute = answer.devices
    assert (busy.total_gib, busy.free_gib, busy.used_gib) == (16, 8, 8)
    assert (busy.source, busy.uuid) == ("fake", "GPU-1")
    assert mute.free_gib is None
    reasons = {entry.field: entry.reason for entry in answer.unknown}
    assert reasons == {"Mute.free_gib": "the driver does not tell"}
    assert [entry.fields for entry in answer.evidence] == [("Busy.total_gib",)]
    assert answer.warnings == ("the driver is old",)


async def test_live_twice_is_one_machine():
    registry = Registry(entry_points=())
    registry.add("fake", TwoCards)
    answer = await Toolbox(registry, tool_specs()).gpu_status(accelerators=["live", "LIVE"])
    assert len(answer.devices) == 2


async def test_a_named_card_is_looked_up_and_counts_as_empty(tools: Toolbox):
    answer = await tools.gpu_status(accelerators="RTX 4090")
    (card,) = answer.devices
    assert card.name == "GeForce RTX 4090"
    assert card.compute_capability == "8.9"
    assert card.free_gib == card.total_gib == 23.5
    assert card.total_note
    assert card.memory_bandwidth_gb_s == pytest.approx(1008, abs=1)
    assert card.source == "knowledge"
    assert answer.system_memory is None


async def test_formats_name_the_engine_to_run_them_with(tools: Toolbox):
    answer = await tools.gpu_status(accelerators=["RTX 4090", "GTX 1080", "M3 Max 64GB"])
    ada, pascal, apple = answer.devices
    assert ada.formats["FP8"] == "vllm"
    assert ada.formats["Q4_K_M"] == "llama.cpp"
    assert pascal.formats["FP8"] == "no"
    assert apple.formats["MLX-4bit"] == "mlx"


async def test_equal_named_devices_are_counted_together(tools: Toolbox):
    answer = await tools.gpu_status(accelerators=["4x H100 80GB", "RTX 4090", "H100 80GB"])
    assert [(d.name, d.count) for d in answer.devices] == [
        ("H100 SXM5 80GB", 4),
        ("GeForce RTX 4090", 1),
        ("H100 SXM5 80GB", 1),
    ]


async def test_a_plain_size_says_what_is_not_known(tools: Toolbox):
    answer = await tools.call("gpu_status", {"accelerators": "24GiB"})
    (device,) = answer.structured["devices"]
    assert device["total_gib"] == 24
    assert device["total_basis"] == "assumed"
    assert device["formats"] == {}


async def test_a_chip_sold_with_several_memories_asks_for_the_size_once(tools: Toolbox):
    answer = await tools.gpu_status(accelerators="M2 Ultra")
    (reason,) = [entry.reason for entry in answer.unknown if entry.field.endswith("total_gib")]
    assert "64, 128, 192 GB" in reason
    assert not [entry for entry in answer.unknown if "bytes" in entry.field]


async def test_a_device_that_exists_in_several_sizes_says_which_was_taken(tools: Toolbox):
    answer = await tools.gpu_status(accelerators="A100")
    assert any("add the size to the name" in warning for warning in answer.warnings)


async def test_an_unknown_name_is_refused_with_the_nearest(tools: Toolbox):
    with pytest.raises(UnknownAccelerator) as caught:
        await tools.gpu_status(accelerators="GeForce RTX 4O90")
    assert "GeForce RTX 4090" in caught.value.suggestions


async def test_the_text_has_a_line_for_each_device(tools: Toolbox):
    answer = await tools.call("gpu_status", {"accelerators": ["2x RTX 4090"]})
    assert answer.text == (
        "2x GeForce RTX 4090: 23.5 GiB free of 23.5 GiB each, compute capability 8.9, 1008.4 GB/s"
    )


async def test_the_text_speaks_of_facts_not_of_fields(tools: Toolbox):
    text = (await tools.call("gpu_status", {"accelerators": "live"})).text
    assert "_" not in text
    assert "system memory: " in text


async def test_a_named_card_has_a_reason_for_what_only_a_live_one_can_tell(tools: Toolbox):
    answer = await tools.gpu_status(accelerators="RTX 4090")
    assert answer.devices[0].used_gib is None
    assert {entry.field for entry in answer.unknown} == {"devices.used_gib"}
