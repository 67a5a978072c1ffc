"""Runs work that would hold the event loop in a thread, a few at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio
from anyio.lowlevel import RunVar

from whichweights._registry_threads import ThreadJob

T = TypeVar("T")

MOST_AT_ONCE = 4
"""Texts worked on at once in one event loop: each may take a hundred megabytes."""

_limiter: RunVar[anyio.CapacityLimiter] = RunVar("whichweights_blocking_limiter")


async def in_thread(work: Callable[[], T]) -> T:
    """The result of `work`.

    A cancelled call abandons the thread, it does not interrupt it; the thread keeps its place until
    it ends, and does not keep the process from ending.
    """
    limiter = _limiter.get(None)
    if limiter is None:
        limiter = anyio.CapacityLimiter(MOST_AT_ONCE)
        _limiter.set(limiter)
    job: ThreadJob[T] = ThreadJob(work, name="whichweights work")
    await limiter.acquire_on_behalf_of(job)
    try:
        job.start()
    except RuntimeError:
        limiter.release_on_behalf_of(job)
        raise
    job.when_done(lambda: limiter.release_on_behalf_of(job))
    return await job.wait()
