"""Work in threads leaves the loop free; the clock is read in one place."""

import threading
from datetime import UTC, datetime

import anyio
import pytest

from whichweights.resolve.blocking import in_thread
from whichweights.resolve.clock import utc_now


async def test_work_in_a_thread_leaves_the_loop_free():
    started, let_go = threading.Event(), threading.Event()

    def work() -> str:
        started.set()
        let_go.wait(10)
        return "done"

    results = list[str]()

    async def ask() -> None:
        results.append(await in_thread(work))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            while not started.is_set():
                await anyio.lowlevel.checkpoint()
            let_go.set()
    assert results == ["done"]


async def test_a_cancelled_call_does_not_wait_for_its_thread():
    let_go = threading.Event()
    try:
        with anyio.fail_after(5), anyio.move_on_after(0.01) as scope:
            await in_thread(lambda: let_go.wait(30))
        assert scope.cancelled_caught
    finally:
        let_go.set()


async def test_what_the_work_raises_is_raised():
    def work() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await in_thread(work)


def test_now_is_utc_in_iso_8601_with_seconds():
    before = datetime.now(UTC).replace(microsecond=0)
    said = datetime.fromisoformat(utc_now())
    assert before <= said <= datetime.now(UTC)
    assert utc_now().endswith("Z")
