"""Runs work that would hold the event loop in a thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio.to_thread

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """The result of `work`; a cancelled call abandons the thread, it does not interrupt it."""
    return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
