"""What a plugin answers is held against the contract; a slip is its own, not the tool's."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from whichweights.registry import Registry
from whichweights.testing import FakeAccelerators, FakeGpu, FakeModels
from whichweights.toolbox import Toolbox
from whichweights.tools import tool_specs
from whichweights_schemas.accelerators import Accelerator, DeviceReading
from whichweights_schemas.providers import AcceleratorCatalogue
from whichweights_schemas.requests import LookupAccelerator


class SaysFortyTwo(FakeGpu):
    async def accelerators(self) -> DeviceReading:
        return cast("Any", 42)


async def test_a_device_provider_that_answers_nonsense_is_reported_and_the_others_serve():
    registry = Registry(entry_points=())
    registry.add("odd", SaysFortyTwo)
    registry.add("sound", FakeGpu)
    answer = await Toolbox(registry, tool_specs()).gpu_status()
    reports = {one.name: (one.status, one.detail) for one in answer.providers}
    reason = "TypeError: accelerators() gave int, the contract says DeviceReading"
    assert reports == {"odd": ("failed", reason), "sound": ("answered", None)}
    assert answer.devices


@pytest.mark.parametrize("nonsense", [None, "a name", {"name": "x"}, ["x"], (FakeModels,), 1.5])
async def test_a_sequence_of_the_wrong_things_is_no_answer(nonsense: object):
    class Odd(FakeAccelerators):
        async def lookup(self, request: LookupAccelerator) -> Sequence[Accelerator]:
            return cast("Any", nonsense)

    registry = Registry(entry_points=())
    registry.add("odd", Odd)
    session = registry.session()
    request = LookupAccelerator(name="x")
    assert await session.first(AcceleratorCatalogue, lambda p: p.lookup(request)) is None
    (report,) = session.reports
    assert report.status == "failed"
    assert report.detail is not None
    assert "the contract says a sequence of Accelerator" in report.detail
