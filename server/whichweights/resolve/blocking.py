"""Runs work that would hold the event loop in a thread, a few at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import ClassVar, TypeVar

import anyio
from anyio.lowlevel import RunVar

from whichweights._registry_threads import ThreadJob

T = TypeVar("T")

MOST_AT_ONCE = 4
"""Texts worked on at once in one event loop: each may take a hundred megabytes."""

_limiter: RunVar[anyio.CapacityLimiter] = RunVar("whichweights_blocking_limiter")


class _Worker:
    """A daemon thread that is used again: tiktoken keeps a warm split pattern for each thread."""

    idle: ClassVar[deque[_Worker]] = deque()

    def __init__(self) -> None:
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()
        threading.Thread(target=self._run, name="whichweights work", daemon=True).start()

    def give(self, work: Callable[[], None]) -> None:
        self._work.put(work)

    def _run(self) -> None:
        while True:
            self._work.get()()
            self.idle.append(self)


class _PooledJob(ThreadJob[T]):
    """A job in a thread that others had before and will have after."""

    def start(self) -> None:
        try:
            worker = _Worker.idle.pop()
        except IndexError:
            worker = _Worker()
        worker.give(partial(copy_context().run, self._run))


async def in_thread(work: Callable[[], T]) -> T:
    """The result of `work`.

    A cancelled call abandons the thread, it does not interrupt it; the thread keeps its place until
    it ends, and does not keep the process from ending.
    """
    limiter = _limiter.get(None)
    if limiter is None:
        limiter = anyio.CapacityLimiter(MOST_AT_ONCE)
        _limiter.set(limiter)
    job: _PooledJob[T] = _PooledJob(work, name="whichweights work")
    await limiter.acquire_on_behalf_of(job)
    try:
        job.start()
    except RuntimeError:
        limiter.release_on_behalf_of(job)
        raise
    job.when_done(lambda: limiter.release_on_behalf_of(job))
    return await job.wait()
