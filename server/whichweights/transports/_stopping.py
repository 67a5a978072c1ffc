"""When the process ends, and that it does: signals, a dead parent, the end of input, a deadline.

Only the standard library is imported here: signals are caught before the slow imports begin.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import NoReturn

DEADLINE_S = 1.7
"""From the decision to stop to the end of the process, whatever hangs (the bar is 2 s)."""

PARENT_POLL_S = 2.0
"""How often the parent is looked for (the bar for its death is 10 s)."""

_IDLE_THREAD_S = 0.1
"""How long an idle worker thread takes to notice that its event loop has ended, generously."""

_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK")  # the last two exist on some systems only


class Stopping:
    """The one decision to end the process, whoever takes it first, and the deadline behind it."""

    def __init__(self) -> None:
        self.code: int | None = None
        """The exit status, once the decision is taken."""
        self._wake: Callable[[], object] | None = None
        self._requested = threading.Event()
        _daemon(self._end_at_the_deadline, "whichweights-deadline")

    def request(self, code: int = 0) -> None:
        """Decide to stop; later decisions change nothing. Safe in threads and signal handlers."""
        if self.code is not None:
            return
        self.code = code
        if self._wake is None:
            os._exit(code)  # still importing: nothing is open that would need closing
        self._requested.set()
        self._wake()

    def connect(self, wake: Callable[[], object]) -> None:
        """From now on a decision calls `wake` (from any thread) instead of ending the process."""
        self._wake = wake

    def catch_signals(self) -> None:
        """Stop on the signals a host or a terminal sends; the status is 128 + the signal's number.

        A signal that was ignored at start (`nohup`) stays ignored.
        """
        for name in _SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._on_signal)

    def watch_parent(self) -> None:
        """Stop when the process that started this one is gone, even if its pipe is still open."""
        parent = os.getppid()
        _daemon(lambda: self._wait_for_orphanhood(parent), "whichweights-parent")

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.request(128 + number)

    def _end_at_the_deadline(self) -> None:
        self._requested.wait()
        threading.Event().wait(DEADLINE_S)
        os._exit(self.code or 0)

    def _wait_for_orphanhood(self, parent: int) -> None:
        if sys.platform == "win32":
            _wait_for_process(parent)
        else:
            pause = threading.Event()
            while os.getppid() == parent:
                pause.wait(PARENT_POLL_S)
        self.request()


def leave(code: int) -> int:
    """The exit status; ends the process here when threads hang that an exit would wait for."""
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join(_IDLE_THREAD_S)
            if thread.is_alive():
                end_now(code)
    return code


def end_now(code: int) -> NoReturn:
    """End the process without waiting for anybody; what was logged is flushed."""
    logging.shutdown()
    for stream in (sys.stderr, sys.__stdout__):
        if stream is not None:  # pythonw has none
            with suppress(OSError, ValueError):  # nobody reads it any more
                stream.flush()
    os._exit(code)


def _daemon(work: Callable[[], None], name: str) -> None:
    threading.Thread(target=work, name=name, daemon=True).start()


def _wait_for_process(pid: int) -> None:
    """Return when the process has ended (Windows; for ever where it cannot be watched)."""
    if sys.platform == "win32":
        import ctypes

        synchronize, infinite = 0x00100000, 0xFFFFFFFF
        handle = ctypes.windll.kernel32.OpenProcess(synchronize, False, pid)
        if not handle:
            threading.Event().wait()
        ctypes.windll.kernel32.WaitForSingleObject(handle, infinite)
