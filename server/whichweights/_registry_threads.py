"""A blocking call in a thread of its own, which may be given up without holding up anybody.

Not `anyio.to_thread`: its workers are not daemons, so one that hangs would keep the process from
exiting, and its limiter is free again at once when a call is abandoned, while the library is still
running. A job is waited for by any number of tasks; giving up waiting does not stop it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import Generic, TypeVar

import anyio
import anyio.from_thread
import anyio.lowlevel

T = TypeVar("T")


class ThreadJob(Generic[T]):
    """One call of a blocking function in a daemon thread, with the caller's context variables."""

    def __init__(self, function: Callable[[], T], *, name: str) -> None:
        self._function = function
        self._future: Future[T] = Future()
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._run,), name=name, daemon=True
        )

    @property
    def done(self) -> bool:
        """True when the function has returned or raised."""
        return self._future.done()

    def start(self) -> None:
        """Start the thread. Raises RuntimeError when no thread can be had."""
        self._thread.start()

    def when_done(self, callback: Callable[[], object]) -> None:
        """Call back in this event loop, once, when the function has ended."""
        loop_thread = threading.get_ident()
        token = anyio.lowlevel.current_token()

        def notify(_future: Future[T]) -> None:
            if threading.get_ident() == loop_thread:  # it had ended before we asked
                callback()
                return
            try:
                anyio.from_thread.run_sync(callback, token=token)
            except RuntimeError:
                return  # the loop is closed: nobody waits any more (RunFinishedError is one)

        self._future.add_done_callback(notify)

    async def wait(self) -> T:
        """The function's result, or what it raised. Cancelling this leaves the thread running."""
        if not self.done:
            ended = anyio.Event()
            self.when_done(ended.set)
            await ended.wait()
        return self._future.result()

    def _run(self) -> None:
        try:
            result = self._function()
        except BaseException as error:  # even SystemExit belongs to whoever waits
            self._future.set_exception(error)
        else:
            self._future.set_result(result)
