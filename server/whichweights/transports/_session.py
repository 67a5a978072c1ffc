"""One MCP session over the claimed streams: reader thread, server, toolbox, and their end."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import cast

import anyio
import anyio.to_thread
from mcp.server.stdio import stdio_server

from whichweights.app import Opener, build_server, default_opener, lend
from whichweights.mcp_adapter import WhichweightsServer, run_over
from whichweights.transports._stopping import Stopping, end_now
from whichweights.transports._wire import Wire, complete_lines, without_lone_surrogates
from whichweights_schemas.errors import WhichweightsError

GRACE_S = 0.5
"""How long running calls may take to notice that they were cancelled, before cleanup begins."""

OPERATOR_EXIT = 3

_LINES_AHEAD = 64
"""Lines read but not yet taken by the server; the host waits at the pipe beyond that."""


async def run_session(wire: Wire, stopping: Stopping, opener: Opener | None) -> None:
    """Serve one session; returns when it is over and the toolbox is closed.

    The toolbox is closed even while a call hangs in a thread; then the process ends here.
    """
    lines = _Lines(wire, stopping)
    over = anyio.Event()

    async def serve_lines(server: WhichweightsServer) -> None:
        try:
            await _serve_lines(server, lines, _Output(wire, stopping))
        finally:
            over.set()
            stopping.request()

    async with anyio.create_task_group() as tasks:
        try:
            async with (opener or default_opener)() as toolbox:
                tasks.start_soon(serve_lines, build_server(lend(toolbox)))
                lines.start()
                await lines.closed.wait()
                with anyio.move_on_after(GRACE_S):
                    await over.wait()
        except WhichweightsError as error:
            sys.stderr.write(f"whichweights: {error.message}. {error.hint}".rstrip(" .") + "\n")
            stopping.request(OPERATOR_EXIT)
        if not over.is_set():
            end_now(stopping.code or 0)


async def _serve_lines(server: WhichweightsServer, lines: _Lines, output: _Output) -> None:
    # The SDK asks its streams for no more than these two objects offer; its own ones wait for a
    # line in a way that a signal cannot interrupt.
    stdin, stdout = cast("anyio.AsyncFile[str]", lines), cast("anyio.AsyncFile[str]", output)
    async with stdio_server(stdin, stdout) as (receive, send):
        await run_over(server, receive, send)


class _Lines:
    """Lines of the wire, read in a daemon thread so that nobody has to wait for the last one."""

    def __init__(self, wire: Wire, stopping: Stopping) -> None:
        self._wire = wire
        self._stopping = stopping
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._room = threading.Semaphore(_LINES_AHEAD)
        self.closed = anyio.Event()
        stopping.connect(partial(self._in_the_loop, self._close))

    def start(self) -> None:
        """Begin to read."""
        threading.Thread(target=self._read, name="whichweights-stdin", daemon=True).start()

    async def __aiter__(self) -> AsyncIterator[str]:
        while (line := await self._queue.get()) is not None:
            self._room.release()
            yield without_lone_surrogates(line.decode("utf-8", errors="replace"))

    def _close(self) -> None:
        self._queue.put_nowait(None)
        self.closed.set()

    def _read(self) -> None:
        for line in complete_lines(self._wire.chunks()):
            self._room.acquire()
            self._in_the_loop(partial(self._queue.put_nowait, line))
        self._stopping.request()

    def _in_the_loop(self, work: Callable[[], None]) -> None:
        """Run `work` in the event loop; a session that is over needs it no more."""
        with suppress(RuntimeError):  # a host may still write after the loop is closed
            self._loop.call_soon_threadsafe(work)


class _Output:
    """Writes messages in a thread: a host that reads slowly holds up nobody but itself."""

    def __init__(self, wire: Wire, stopping: Stopping) -> None:
        self._wire = wire
        self._stopping = stopping
        self._limiter = anyio.CapacityLimiter(1)

    async def write(self, text: str) -> None:
        """Write one message. A host that is gone ends the session."""
        try:
            await anyio.to_thread.run_sync(
                self._wire.write, text.encode(), abandon_on_cancel=True, limiter=self._limiter
            )
        except OSError:
            self._stopping.request()

    async def flush(self) -> None:
        """Nothing is buffered."""
