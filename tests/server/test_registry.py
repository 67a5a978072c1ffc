"""Asking providers: who answers, who is reported, which errors reach the caller."""

import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

import anyio
import pytest

from whichweights.registry import ProviderInfo, ProviderSession, Registry, RegistrySettings
from whichweights.testing import FakeAccelerators, FakeGpu, FakeModels, fake_model
from whichweights_schemas.accelerators import Accelerator, DeviceReading
from whichweights_schemas.errors import (
    CallerError,
    Offline,
    ProviderFailed,
    ProviderTimeout,
    UnknownAccelerator,
)
from whichweights_schemas.evidence import ProviderReport
from whichweights_schemas.models import ModelRef, ModelSpec
from whichweights_schemas.providers import AcceleratorCatalogue, GpuProvider, ModelProvider
from whichweights_schemas.requests import CandidateFilter, LookupAccelerator


def registry_of(**providers: type[Any]) -> Registry:
    registry = Registry(entry_points=())
    for name, provider_class in providers.items():
        registry.add(name, provider_class)
    return registry


def lookup(name: str = "Fake 24GB"):
    async def ask(catalogue: AcceleratorCatalogue[Any]) -> Sequence[Accelerator]:
        return await catalogue.lookup(LookupAccelerator(name=name))

    return ask


async def read_all(session: ProviderSession) -> list[tuple[str, DeviceReading]]:
    return await session.all(GpuProvider, lambda gpu: gpu.accelerators())


class KnowsNothing(FakeAccelerators):
    devices = ()


class Raises(FakeAccelerators):
    error: BaseException = ValueError("no such table")

    async def lookup(self, request: LookupAccelerator) -> Sequence[Accelerator]:
        raise self.error


async def test_the_first_provider_with_an_answer_wins_and_the_later_ones_are_not_asked():
    registry = registry_of(a=KnowsNothing, b=FakeAccelerators, c=FakeAccelerators)
    session = registry.session()
    found = await session.first_named(AcceleratorCatalogue, lookup())
    assert found is not None
    assert found[0] == "b"
    assert found[1][0].name == "Fake 24GB"
    assert session.reports == (
        ProviderReport(name="a", kind="accelerators", status="answered", detail="had no answer"),
        ProviderReport(name="b", kind="accelerators", status="answered"),
    )


async def test_none_means_ask_the_next_one():
    class Other(FakeModels):
        models = (fake_model("other/Other-1B"),)

    ref = ModelRef(id="other/Other-1B", provider="b")
    session = registry_of(a=FakeModels, b=Other).session()
    spec = await session.first(ModelProvider, lambda models: models.spec(ref))
    assert spec == fake_model("other/Other-1B")


async def test_nobody_with_an_answer_is_none():
    session = registry_of(a=KnowsNothing).session()
    assert await session.first(AcceleratorCatalogue, lookup()) is None
    assert await registry_of().session().first(AcceleratorCatalogue, lookup()) is None


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (ValueError("no such\n table"), "failed", "ValueError: no such table"),
        (KeyError("x"), "failed", "KeyError: 'x'"),
        (TimeoutError(), "failed", "TimeoutError"),
        (SystemExit(3), "failed", "SystemExit: 3"),
        (ProviderFailed("the hub said 502"), "failed", "the hub said 502"),
        (ProviderTimeout("the hub is slow"), "timeout", "the hub is slow"),
    ],
)
async def test_a_provider_that_fails_is_reported_and_the_next_is_asked(
    error: BaseException, status: str, detail: str
):
    class Fails(Raises):
        pass

    Fails.error = error
    session = registry_of(a=Fails, b=FakeAccelerators).session()
    assert await session.first(AcceleratorCatalogue, lookup())
    assert [report.model_dump() for report in session.reports] == [
        {"name": "a", "kind": "accelerators", "status": status, "detail": detail},
        {"name": "b", "kind": "accelerators", "status": "answered"},
    ]


class Refuses(Raises):
    error = UnknownAccelerator("two devices fit", suggestions=("X 1", "X 2"))


class IsOffline(Raises):
    error = Offline("the table is on the network")


async def test_a_refusal_reaches_the_caller_when_nobody_answers():
    session = registry_of(a=KnowsNothing, b=Refuses, c=IsOffline).session()
    with pytest.raises(UnknownAccelerator) as caught:
        await session.first(AcceleratorCatalogue, lookup())
    assert caught.value.suggestions == ("X 1", "X 2")
    assert [(report.name, report.status) for report in session.reports] == [
        ("a", "answered"),
        ("b", "answered"),
        ("c", "unavailable"),
    ]


async def test_a_refusal_is_forgotten_when_another_provider_answers():
    session = registry_of(a=Refuses, b=FakeAccelerators).session()
    assert await session.first(AcceleratorCatalogue, lookup())
    assert session.reports[0].detail == "two devices fit"


async def test_one_asks_the_named_provider_only():
    registry = registry_of(a=FakeAccelerators, b=Refuses)
    session = registry.session()
    assert await session.one(AcceleratorCatalogue, "a", lookup())
    with pytest.raises(CallerError):
        await session.one(AcceleratorCatalogue, "b", lookup())
    assert await session.one(AcceleratorCatalogue, "nobody", lookup()) is None
    assert [report.name for report in session.reports] == ["a", "b"]


async def test_all_asks_concurrently_keeps_the_order_and_reports_who_failed():
    arrived: list[str] = []
    everybody = anyio.Event()

    class Waits(FakeGpu):
        async def accelerators(self) -> DeviceReading:
            arrived.append(self.name)
            if len(arrived) == 3:
                everybody.set()
            await everybody.wait()
            if self.name == "b":
                raise OSError("the driver went away")
            return DeviceReading(warnings=(self.name,))

    session = registry_of(c=Waits, b=Waits, a=Waits).session()
    with anyio.fail_after(5):
        answers = await read_all(session)
    assert answers == [
        ("a", DeviceReading(warnings=("a",))),
        ("c", DeviceReading(warnings=("c",))),
    ]
    assert {report.name: report.status for report in session.reports} == {
        "a": "answered",
        "b": "failed",
        "c": "answered",
    }


async def test_an_unavailable_provider_is_a_fact_with_a_reason_and_is_asked_once_a_session():
    asked: list[str] = []

    class Absent(FakeGpu):
        async def available(self) -> str | None:
            asked.append(self.name)
            return "no driver on this machine"

    registry = registry_of(a=Absent)
    session = registry.session()
    for _ in range(2):
        assert await read_all(session) == []
    assert session.reports == (
        ProviderReport(
            name="a", kind="gpu", status="unavailable", detail="no driver on this machine"
        ),
    )
    assert asked == ["a"]
    await read_all(registry.session())
    assert asked == ["a", "a"]


async def test_the_worst_status_of_a_provider_is_the_one_reported():
    class FailsLater(FakeAccelerators):
        async def names(self) -> Sequence[str]:
            raise OSError("disk gone")

    session = registry_of(a=FailsLater).session()
    await session.first(AcceleratorCatalogue, lookup())
    await session.first(AcceleratorCatalogue, lambda catalogue: catalogue.names())
    await session.first(AcceleratorCatalogue, lookup())
    assert session.reports == (
        ProviderReport(name="a", kind="accelerators", status="failed", detail="OSError: disk gone"),
    )


class Two(FakeModels):
    models = (fake_model("a/A-1B"), fake_model("a/B-1B"))


class BreaksOff(FakeModels):
    async def candidates(self, request: CandidateFilter) -> AsyncIterator[Sequence[ModelSpec]]:
        yield self.models
        raise OSError("connection lost")


async def test_batches_stream_every_provider_in_order_past_one_that_breaks_off():
    session = registry_of(a=BreaksOff, b=Two).session()
    batches = session.batches(ModelProvider, lambda models: models.candidates(CandidateFilter()))
    found = [(name, batch[0].id) async for name, batch in batches]
    assert found == [("a", "fake/Fake-1B"), ("b", "a/A-1B"), ("b", "a/B-1B")]
    assert {report.name: report.status for report in session.reports} == {
        "a": "failed",
        "b": "answered",
    }


async def test_a_stream_left_early_is_closed():
    closed: list[str] = []

    class Closes(FakeModels):
        async def candidates(self, request: CandidateFilter) -> AsyncIterator[Sequence[ModelSpec]]:
            try:
                yield self.models
                yield self.models
            finally:
                closed.append(self.name)

    session = registry_of(a=Closes).session()
    batches = session.batches(ModelProvider, lambda models: models.candidates(CandidateFilter()))
    await anext(batches)
    await batches.aclose()
    assert closed == ["a"]


async def test_two_kinds_may_share_a_name():
    registry = registry_of()
    registry.add("acme", FakeAccelerators)
    registry.add("acme", FakeGpu)
    session = registry.session()
    assert await session.one(AcceleratorCatalogue, "acme", lookup())
    assert await session.one(GpuProvider, "acme", lambda gpu: gpu.accelerators())
    assert [(report.name, report.kind) for report in session.reports] == [
        ("acme", "accelerators"),
        ("acme", "gpu"),
    ]


async def test_a_name_added_twice_is_refused():
    registry = registry_of(a=FakeGpu)
    with pytest.raises(ValueError, match="a"):
        registry.add("a", FakeGpu)


async def test_a_provider_added_late_is_asked_from_then_on():
    registry = registry_of(b=KnowsNothing)
    assert await registry.session().first(AcceleratorCatalogue, lookup()) is None
    registry.add("a", FakeAccelerators)
    assert await registry.session().first(AcceleratorCatalogue, lookup())


async def test_a_provider_is_constructed_once_for_all_sessions():
    made: list[str] = []

    class Counted(FakeGpu):
        def __init__(self, context: Any) -> None:
            super().__init__(context)
            made.append(self.name)

    registry = registry_of(a=Counted)
    async with anyio.create_task_group() as group:
        for _ in range(3):
            session = registry.session()
            group.start_soon(read_all, session)
    assert made == ["a"]


async def test_describe_gives_the_facts_of_each_provider_and_closing_releases_them():
    released: list[str] = []

    class Facts(FakeGpu):
        async def status(self) -> dict[str, str]:
            return {"driver": "1.2"}

        async def aclose(self) -> None:
            released.append(self.name)
            raise OSError("already gone")

    class Absent(FakeGpu):
        absent = "no driver"

    registry = registry_of(a=Facts, b=Absent)
    assert await registry.describe() == [
        ProviderInfo("a", "gpu", "runtime", None, "ready", None, {"driver": "1.2"}),
        ProviderInfo("b", "gpu", "runtime", None, "unavailable", "no driver"),
    ]
    await registry.aclose()
    assert released == ["a"]
    with pytest.raises(RuntimeError):
        registry.session()


async def test_what_a_provider_prints_while_it_answers_goes_to_standard_error(
    capsys: pytest.CaptureFixture[str],
):
    def blocking() -> None:
        sys.stdout.write("from its thread\n")

    class Prints(FakeGpu):
        async def accelerators(self) -> DeviceReading:
            sys.stdout.write("from its coroutine\n")
            await self.run_blocking(blocking)
            return self.reading

    before = sys.stdout
    registry = registry_of(a=Prints)
    assert await read_all(registry.session())
    sys.stdout.write("the answer\n")
    captured = capsys.readouterr()
    assert captured.out == "the answer\n"
    assert captured.err == "from its coroutine\nfrom its thread\n"
    assert sys.stdout is before


async def test_two_registries_know_nothing_of_each_other():
    assert await read_all(registry_of(a=FakeGpu).session())
    assert not await read_all(registry_of().session())


async def test_the_configured_order_also_orders_providers_added_at_run_time():
    registry = Registry(RegistrySettings(order={"accelerators": ("z",)}), entry_points=())
    registry.add("a", FakeAccelerators)
    registry.add("z", FakeAccelerators)
    found = await registry.session().first_named(AcceleratorCatalogue, lookup())
    assert found is not None
    assert found[0] == "z"
