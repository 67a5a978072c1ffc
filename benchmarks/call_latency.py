"""Time of warm tool calls, over stdio and in memory, beside a call of a bare server of the SDK.

    python benchmarks/call_latency.py [--calls N]

Bars (p50): 5 ms more than the bare call; languages and quantization 20 ms, recommend_model 50 ms.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from _calls import CALLS, Call
from _servers import OURS, bare_command, running
from _tables import load, percentile, table, verdict
from mcp import Client
from mcp.server import MCPServer

from whichweights.app import build_server

Ask = Callable[[str, dict[str, Any]], Awaitable[object]]
_BARE = Call("add", "bare server", {"a": 1, "b": 2}, None)


async def timed(ask: Ask, call: Call, count: int) -> tuple[float, list[float]]:
    """Milliseconds of the first call and of the others."""
    found: list[float] = []
    for _ in range(count + 1):
        start = time.perf_counter()
        await ask(call.tool, call.arguments)
        found.append(1000 * (time.perf_counter() - start))
    return found[0], found[1:]


async def over_stdio(count: int) -> list[list[object]]:
    """Both servers as child processes at once, so that they meet the same machine."""
    with bare_command() as command, running(command) as bare, running(OURS) as ours:

        async def ask_bare(tool: str, arguments: dict[str, Any]) -> object:
            return bare.call(tool, arguments)

        async def ask_ours(tool: str, arguments: dict[str, Any]) -> object:
            return ours.call(tool, arguments)

        return await _rows(ask_bare, ask_ours, count)


async def in_memory(count: int) -> list[list[object]]:
    """The SDK's own client against the server object: serialization, no pipes."""
    sample = MCPServer("bare")

    def add(a: int, b: int) -> int:
        return a + b

    sample.add_tool(add)
    async with Client(sample) as bare, Client(build_server()) as ours:
        return await _rows(bare.call_tool, ours.call_tool, count)


async def _rows(ask_bare: Ask, ask_ours: Ask, count: int) -> list[list[object]]:
    first, bare = await timed(ask_bare, _BARE, count)
    base = percentile(bare, 0.5)
    rows = [_row(_BARE, first, bare, base)]
    for call in CALLS:
        first, found = await timed(ask_ours, call, count)
        rows.append(_row(call, first, found, base))
    return rows


def _row(call: Call, first: float, found: list[float], base: float) -> list[object]:
    middle = percentile(found, 0.5)
    row: list[object] = [f"{call.tool} ({call.note})", first, middle, percentile(found, 0.99)]
    if call.bar_ms is None:
        return [*row, middle - base, "-", "-"]
    bar = call.bar_ms + (base if call.relative else 0.0)
    return [*row, middle - base, f"<= {bar:.1f}", verdict(middle, bar)]


async def _main(count: int) -> None:
    head = ("call", "first", "p50", "p99", "p50 - bare", "bar", "kept")
    for title, measure in (("over stdio", over_stdio), ("in memory", in_memory)):
        print(table(f"Milliseconds a call, {title}, n = {count}", head, await measure(count)))
    print(f"\n{load()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=50)
    anyio.run(_main, parser.parse_args().calls)


if __name__ == "__main__":
    main()
