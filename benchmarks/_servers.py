"""The two servers that are compared, and a host that talks to one over pipes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BARE_SERVER = """\
from mcp.server import MCPServer

server = MCPServer("bare")


@server.tool()
def add(a: int, b: int) -> int:
    return a + b


if __name__ == "__main__":
    server.run("stdio")
"""

OURS = [sys.executable, "-m", "whichweights", "serve"]

_ENVIRONMENT = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
"""A host starts a server with an almost empty environment."""

_INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "benchmark", "version": "1"},
}


@contextmanager
def bare_command() -> Generator[list[str]]:
    """The command of a server of the SDK with one tool, written to a file for as long as needed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bare_server.py"
        path.write_text(BARE_SERVER, encoding="utf-8")
        yield [sys.executable, str(path)]


class Host:
    """A server as a child process; times are from outside, as a host sees them."""

    def __init__(self, command: list[str]) -> None:
        self.started = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_ENVIRONMENT,
        )
        self._next = 0

    def initialize(self) -> float:
        """Seconds from the start of the process to the answer to `initialize`."""
        self.request("initialize", _INITIALIZE)
        elapsed = time.perf_counter() - self.started
        self._write({"method": "notifications/initialized"})
        self.request("ping", {})
        return elapsed

    def request(self, method: str, params: dict[str, Any]) -> bytes:
        """The line that answers. Raises RuntimeError when the server is gone."""
        self._next += 1
        self._write({"id": self._next, "method": method, "params": params})
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the server ended before it answered {method}")
        return line

    def call(self, tool: str, arguments: dict[str, Any]) -> bytes:
        """The answer of a tool as it came over the wire."""
        return self.request("tools/call", {"name": tool, "arguments": arguments})

    def resident_mib(self) -> float | None:
        """Memory of the process that is in RAM; None where /proc does not tell."""
        status = Path(f"/proc/{self._process.pid}/status")
        if not status.exists():
            return None
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return None

    def close(self) -> None:
        """End of input, then the end of the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)

    def _write(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        line = json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":"))
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()


@contextmanager
def running(command: list[str]) -> Generator[Host]:
    """A server that has answered `initialize`."""
    host = Host(command)
    try:
        host.initialize()
        yield host
    finally:
        host.close()
