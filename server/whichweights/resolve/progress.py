"""How far a long answer is: said to whoever asked, where the transport can carry it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

Reporter = Callable[[float, float | None, str | None], Awaitable[None]]

_reporter: ContextVar[Reporter | None] = ContextVar("whichweights_progress", default=None)


@contextmanager
def progress_to(reporter: Reporter) -> Generator[None]:
    """Inside the block, progress of this task and those it starts goes to `reporter`."""
    token = _reporter.set(reporter)
    try:
        yield
    finally:
        _reporter.reset(token)


async def report_progress(done: float, total: float | None, message: str | None = None) -> None:
    """Say how far it is; nothing happens where nobody listens. `done` must grow from call to call.

    Raises what the reporter raises.
    """
    reporter = _reporter.get()
    if reporter is not None:
        await reporter(done, total, message)
