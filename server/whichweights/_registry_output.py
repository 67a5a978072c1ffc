"""Keeps what plugins print away from standard output, which belongs to the answer.

`contextlib.redirect_stdout` would swap `sys.stdout` for everybody: a plugin hanging in its import
would take the command line's own answer with it. So while any plugin code runs, `sys.stdout` is a
router that looks at a context variable: code reached through the registry, in a task or in one of
its threads, writes to standard error; everybody else writes where they did before.

Not covered: threads a plugin starts itself, and C libraries writing to descriptor 1. While stdio is
served, the transport has moved descriptor 1 away, so neither reaches the wire.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO, cast

_in_plugin: ContextVar[bool] = ContextVar("whichweights_in_plugin", default=False)
_lock = threading.Lock()
_inside = 0


class _Router:
    """Stands for `sys.stdout`; every attribute is that of the stream its caller may use."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(sys.stderr if _in_plugin.get() else self.stream, name)


@contextmanager
def plugin_output_to_stderr() -> Generator[None]:
    """Within this block `print` of this task or thread, and of what it calls, goes to stderr."""
    _install()
    token = _in_plugin.set(True)
    try:
        yield
    finally:
        _in_plugin.reset(token)
        _uninstall()


def _install() -> None:
    global _inside
    with _lock:
        _inside += 1
        # Again when somebody (a test's capture, redirect_stdout) has put another stream there.
        # None is what a process without a console has; print() does nothing then.
        stdout = cast("TextIO | _Router | None", sys.stdout)
        if stdout is not None and not isinstance(stdout, _Router):
            sys.stdout = cast("TextIO", _Router(stdout))


def _uninstall() -> None:
    global _inside
    with _lock:
        _inside -= 1
        stdout = cast("TextIO | _Router | None", sys.stdout)
        if _inside == 0 and isinstance(stdout, _Router):
            sys.stdout = stdout.stream
