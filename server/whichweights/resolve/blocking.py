"""Runs work that would hold the event loop in a thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio.to_thread

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """The result of `work`; the thread is abandoned, not interrupted, when the call is cancelled."""
    return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
