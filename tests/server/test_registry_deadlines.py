"""Providers that hang: the deadline holds, the others answer, the thread is waited for later."""

import threading
from collections.abc import AsyncIterator, Iterator, Sequence

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from whichweights.registry import ProviderSession, Registry
from whichweights.testing import FakeAccelerators, FakeGpu, FakeModels
from whichweights_schemas.accelerators import Accelerator, DeviceReading
from whichweights_schemas.evidence import ProviderReport
from whichweights_schemas.models import ModelSpec
from whichweights_schemas.providers import (
    AcceleratorCatalogue,
    AnyProvider,
    GpuProvider,
    ModelProvider,
    NoSettings,
    ProviderContext,
)
from whichweights_schemas.requests import CandidateFilter, LookupAccelerator

SHORT_SECONDS = 0.2
BUSY = "still busy with an earlier call"


def registry_of(**providers: type[AnyProvider]) -> Registry:
    registry = Registry(entry_points=())
    for name, provider_class in providers.items():
        registry.add(name, provider_class)
    return registry


async def read_all(session: ProviderSession) -> list[tuple[str, DeviceReading]]:
    return await session.all(GpuProvider, lambda gpu: gpu.accelerators())


class Hangs(FakeGpu):
    """Waits for something that never happens."""

    async def accelerators(self) -> DeviceReading:
        await anyio.sleep_forever()
        raise AssertionError


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Lets every blocked thread of a test go, at the latest when it ends."""
    event = threading.Event()
    yield event
    event.set()


def blocking_gpu(released: threading.Event) -> type[FakeGpu]:
    class Blocks(FakeGpu):
        """Stuck in a library until released."""

        async def accelerators(self) -> DeviceReading:
            await self.run_blocking(released.wait)
            return self.reading

    return Blocks


async def test_a_hanging_provider_ends_as_timeout_while_the_others_answer():
    session = registry_of(a=Hangs, b=FakeGpu).session(SHORT_SECONDS)
    with anyio.fail_after(5):
        answers = await read_all(session)
    assert [name for name, _ in answers] == ["b"]
    assert session.reports == (
        ProviderReport(name="b", kind="gpu", status="answered"),
        ProviderReport(name="a", kind="gpu", status="timeout", detail="no answer within 0.1 s"),
    )


async def test_one_that_hangs_leaves_time_for_the_next_and_is_not_asked_again():
    asked: list[str] = []

    class HangsInLookup(FakeAccelerators):
        async def lookup(self, request: LookupAccelerator) -> Sequence[Accelerator]:
            asked.append(self.name)
            await anyio.sleep_forever()
            raise AssertionError

    session = registry_of(a=HangsInLookup, b=HangsInLookup, c=FakeAccelerators).session(
        SHORT_SECONDS
    )
    request = LookupAccelerator(name="Fake 24GB")
    with anyio.fail_after(5):
        for _ in range(3):
            found = await session.first_named(
                AcceleratorCatalogue, lambda catalogue: catalogue.lookup(request)
            )
            assert found is not None
            assert found[0] == "c"
    assert asked == ["a", "b"]
    assert [report.status for report in session.reports] == ["timeout", "timeout", "answered"]


async def test_all_waiting_of_a_session_together_stays_within_its_deadline():
    started = anyio.current_time()
    session = registry_of(a=Hangs, b=Hangs, c=Hangs).session(SHORT_SECONDS)
    for name in ("a", "b", "c"):
        assert await session.one(GpuProvider, name, lambda gpu: gpu.accelerators()) is None
    # Slack for a loaded machine; without a shared budget this would take three times as long.
    assert anyio.current_time() - started < 2 * SHORT_SECONDS


async def test_the_time_a_caller_takes_between_questions_is_not_charged():
    session = registry_of(a=FakeGpu).session(SHORT_SECONDS)
    now = anyio.current_time()
    assert await read_all(session)
    with anyio.fail_after(5):
        while anyio.current_time() < now + SHORT_SECONDS:
            await anyio.lowlevel.checkpoint()
    assert await read_all(session)


async def test_a_provider_whose_thread_hangs_is_unavailable_until_the_thread_returns(
    released: threading.Event,
):
    registry = registry_of(a=blocking_gpu(released))
    first = registry.session(SHORT_SECONDS)
    second = registry.session()
    with anyio.fail_after(5):
        assert not await read_all(first)
        assert not await read_all(second)
    assert [report.status for report in first.reports] == ["timeout"]
    assert second.reports == (
        ProviderReport(name="a", kind="gpu", status="unavailable", detail=BUSY),
    )
    released.set()
    with anyio.fail_after(5):
        while not await read_all(registry.session()):
            await anyio.lowlevel.checkpoint()


async def test_the_event_loop_goes_on_while_a_thread_blocks(released: threading.Event):
    session = registry_of(a=blocking_gpu(released)).session()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(read_all, session)
            for _ in range(100):
                await anyio.lowlevel.checkpoint()
            released.set()
    assert [report.status for report in session.reports] == ["answered"]


async def test_a_cancelled_call_is_no_timeout_and_the_next_waits_for_its_thread(
    released: threading.Event,
):
    entered = threading.Event()
    running: list[int] = []

    def library() -> int:
        running.append(1)
        assert len(running) == 1, "two calls at once"
        entered.set()
        released.wait()
        running.pop()
        return 1

    class Blocks(FakeGpu):
        async def accelerators(self) -> DeviceReading:
            await self.run_blocking(library)
            return self.reading

    registry = registry_of(a=Blocks)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(read_all, registry.session())
            await anyio.to_thread.run_sync(entered.wait)
            group.cancel_scope.cancel()
        session = registry.session()
        async with anyio.create_task_group() as group:
            group.start_soon(read_all, session)
            await anyio.lowlevel.checkpoint()
            released.set()
    assert [report.status for report in session.reports] == ["answered"]


async def test_a_provider_that_allows_it_has_several_threads():
    both = threading.Barrier(2)

    class Parallel(FakeGpu):
        blocking_threads = 2

        async def accelerators(self) -> DeviceReading:
            await self.run_blocking(both.wait, 5)
            return self.reading

    registry = registry_of(a=Parallel)
    sessions = [registry.session(), registry.session()]
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            for session in sessions:
                group.start_soon(read_all, session)
    assert [session.reports[0].status for session in sessions] == ["answered", "answered"]


async def test_a_constructor_that_hangs_is_a_timeout_then_unavailable_then_ready(
    released: threading.Event,
):
    class Slow(FakeGpu):
        def __init__(self, context: ProviderContext[NoSettings]) -> None:
            released.wait()
            super().__init__(context)

    registry = registry_of(a=Slow, b=FakeGpu)
    first = registry.session(SHORT_SECONDS)
    second = registry.session()
    with anyio.fail_after(5):
        for session in (first, second):
            answers = await read_all(session)
            assert [name for name, _ in answers] == ["b"]
    statuses = [{r.name: (r.status, r.detail) for r in s.reports} for s in (first, second)]
    assert statuses[0]["a"] == ("timeout", "no answer within 0.1 s")
    assert statuses[1]["a"] == ("unavailable", "still loading since an earlier call")
    released.set()
    with anyio.fail_after(5):
        while len(await read_all(registry.session())) < 2:
            await anyio.lowlevel.checkpoint()


async def test_a_provider_that_turns_the_deadline_into_an_error_of_its_own_is_a_timeout():
    class Translates(FakeGpu):
        async def accelerators(self) -> DeviceReading:
            try:
                await anyio.sleep_forever()
            except BaseException:
                raise OSError("request aborted") from None
            raise AssertionError

    session = registry_of(a=Translates).session(SHORT_SECONDS)
    with anyio.fail_after(5):
        assert not await read_all(session)
    assert [report.status for report in session.reports] == ["timeout"]


async def test_a_stream_that_stalls_ends_as_timeout_and_the_next_one_is_read():
    class Stalls(FakeModels):
        async def candidates(self, request: CandidateFilter) -> AsyncIterator[Sequence[ModelSpec]]:
            yield self.models
            await anyio.sleep_forever()

    session = registry_of(a=Stalls, b=FakeModels).session(SHORT_SECONDS)
    with anyio.fail_after(5):
        batches = session.batches(
            ModelProvider, lambda models: models.candidates(CandidateFilter())
        )
        assert [name async for name, _ in batches] == ["a", "b"]
    assert [report.status for report in session.reports] == ["timeout", "answered"]


async def test_cancelling_the_caller_is_not_mistaken_for_a_failure():
    session = registry_of(a=Hangs).session()
    with anyio.move_on_after(0.05) as scope:
        await read_all(session)
    assert scope.cancelled_caught
    assert session.reports == ()
