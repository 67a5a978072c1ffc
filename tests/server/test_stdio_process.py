"""The server as a host sees it: a child process with pipes. Real processes, bounded waits."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from whichweights.tools import tool_specs

EXIT_S = 2.0
"""The bar for the end of the process; the waits below only catch a hang, on a busy machine too."""
SLACK_S = 10.0
START_S = 30.0
ORPHAN_S = 10.0
"""The bar for the end of a server whose parent died."""

posix_only = pytest.mark.skipif(
    sys.platform == "win32", reason="signals and re-parenting are POSIX; Windows has handles"
)

# A server whose tools never end, one in a thread nothing can interrupt; its cleanup says so.
HANGING_SERVER = """
import sys, threading
from contextlib import asynccontextmanager
import anyio.to_thread
from whichweights.registry import Registry
from whichweights.toolbox import Toolbox
from whichweights.tools._spec import ToolSpec
from whichweights.transports.stdio import serve
from whichweights_schemas.tools._common import ToolArguments, ToolResult

def forever():
    sys.stderr.write("hanging\\n")
    sys.stderr.flush()
    threading.Event().wait()

async def hang(arguments, session):
    await anyio.to_thread.run_sync(forever)

async def sleep(arguments, session):
    sys.stderr.write("hanging\\n")
    sys.stderr.flush()
    await anyio.sleep_forever()

async def spin(arguments, session):
    sys.stderr.write("hanging\\n")
    sys.stderr.flush()
    while True:
        pass

def spec(name, run):
    return ToolSpec(name, name, name, ToolArguments, ToolResult, run, str)

@asynccontextmanager
async def opener():
    specs = {run.__name__: spec(run.__name__, run) for run in (hang, sleep, spin)}
    try:
        yield Toolbox(Registry(entry_points=()), specs)
    finally:
        await anyio.lowlevel.checkpoint()
        sys.stderr.write("cleaned up\\n")

if __name__ == "__main__":
    sys.exit(serve(opener))
"""

REAL_SERVER = [sys.executable, "-m", "whichweights", "serve"]


class Host:
    """A bare host: writes and reads lines of JSON, legacy era."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        assert process.stdin
        assert process.stdout
        assert process.stderr
        self.stdin: IO[bytes] = process.stdin
        self.stdout: IO[bytes] = process.stdout
        self.stderr: IO[bytes] = process.stderr

    def send(self, **message: Any) -> None:
        self.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self.stdin.flush()

    def receive(self) -> Any:
        return json.loads(self.stdout.readline())

    def initialize(self) -> Any:
        self.send(
            id=0,
            method="initialize",
            params={
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "test", "version": "1"},
            },
        )
        answer = self.receive()
        self.send(method="notifications/initialized")
        return answer

    def call(self, tool: str, arguments: dict[str, Any] | None = None, *, id: int = 1) -> None:
        self.send(id=id, method="tools/call", params={"name": tool, "arguments": arguments or {}})

    def exit_status(self, within_s: float = EXIT_S + SLACK_S) -> int:
        return self.process.wait(timeout=within_s)


@contextmanager
def started(command: list[str], environment: dict[str, str] | None = None) -> Generator[Host]:
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    ) as process:
        watchdog = _kill_after(START_S, process.kill)
        try:
            yield Host(process)
        finally:
            watchdog()
            process.kill()


def _kill_after(seconds: float, kill: Callable[[], object]) -> Callable[[], None]:
    """A blocking read in a test ends at the latest when the process is killed."""
    timer = threading.Timer(seconds, kill)
    timer.daemon = True
    timer.start()
    return timer.cancel


@pytest.fixture
def hanging_server(tmp_path: Path) -> list[str]:
    script = tmp_path / "server.py"
    script.write_text(HANGING_SERVER, encoding="utf-8")
    return [sys.executable, str(script)]


def end_of_input(host: Host) -> None:
    host.stdin.close()


def terminate(host: Host) -> None:
    host.process.send_signal(signal.SIGTERM)


def interrupt(host: Host) -> None:
    host.process.send_signal(signal.SIGINT)


WAYS_TO_END = [
    pytest.param(end_of_input, 0, id="end of input"),
    pytest.param(terminate, 128 + signal.SIGTERM, id="SIGTERM", marks=posix_only),
    pytest.param(interrupt, 128 + signal.SIGINT, id="SIGINT", marks=posix_only),
]


@pytest.mark.parametrize(("end", "status"), WAYS_TO_END)
def test_an_idle_server_ends_and_cleans_up(
    hanging_server: list[str], end: Callable[[Host], None], status: int
):
    with started(hanging_server) as host:
        host.initialize()
        end(host)
        assert host.exit_status() == status
        assert host.stderr.read().decode().splitlines() == ["cleaned up"]


@pytest.mark.parametrize("tool", ["sleep", "hang"])
@pytest.mark.parametrize(("end", "status"), WAYS_TO_END)
def test_a_server_ends_and_cleans_up_while_a_tool_runs(
    hanging_server: list[str], end: Callable[[Host], None], status: int, tool: str
):
    with started(hanging_server) as host:
        host.initialize()
        host.call(tool)
        assert host.stderr.readline() == b"hanging\n"
        end(host)
        assert host.exit_status() == status
        assert host.stderr.read().decode().splitlines() == ["cleaned up"]


@pytest.mark.parametrize(("end", "status"), WAYS_TO_END[:1])
def test_a_server_ends_even_when_a_tool_holds_the_event_loop(
    hanging_server: list[str], end: Callable[[Host], None], status: int
):
    with started(hanging_server) as host:
        host.initialize()
        host.call("spin")
        assert host.stderr.readline() == b"hanging\n"
        end(host)
        assert host.exit_status() == status


@posix_only
def test_what_a_host_writes_after_the_session_is_over_is_passed_over_in_silence(
    hanging_server: list[str],
):
    """The process lives on until its deadline, and reads on, after the event loop is closed."""
    script = Path(hanging_server[-1])
    end_slowly = "serve(opener); sys.stderr.write('over\\n'); threading.Event().wait()"
    script.write_text(
        script.read_text(encoding="utf-8").replace("sys.exit(serve(opener))", end_slowly),
        encoding="utf-8",
    )
    with started(hanging_server) as host:
        host.initialize()
        terminate(host)
        assert host.stderr.readline() == b"cleaned up\n"
        assert host.stderr.readline() == b"over\n"
        host.send(id=9, method="ping")
        assert host.exit_status() == 128 + signal.SIGTERM
        assert host.stderr.read() == b""


@posix_only
def test_a_signal_before_the_server_is_ready_ends_it(hanging_server: list[str]):
    with started(hanging_server) as host:
        terminate(host)
        assert host.exit_status() in (128 + signal.SIGTERM, -signal.SIGTERM)


def test_a_host_that_closes_its_reading_end_ends_the_server(hanging_server: list[str]):
    with started(hanging_server) as host:
        host.initialize()
        host.stdout.close()
        host.send(id=9, method="ping")
        assert host.exit_status() == 0
        assert b"Traceback" not in host.stderr.read()


@posix_only
def test_an_orphan_ends_although_somebody_still_holds_its_pipe(hanging_server: list[str]):
    """The host's child starts the server and dies; this test keeps the pipe open."""
    relay = (
        "import os, subprocess, sys; server = subprocess.Popen(sys.argv[1:]); "
        "sys.stderr.write(f'{server.pid}\\n'); sys.stderr.flush(); "
        "os.read(int(os.environ['GO']), 1); os._exit(0)"
    )
    go_read, go_write = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", relay, *hanging_server],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=[go_read],
        env={**os.environ, "GO": str(go_read)},
    ) as process:
        cancel = _kill_after(START_S, process.kill)
        host = Host(process)
        server_pid = int(host.stderr.readline())
        host.initialize()
        os.write(go_write, b"x")
        assert process.wait(timeout=SLACK_S) == 0  # the middleman is gone, the server an orphan
        last_resort = _kill_after(ORPHAN_S + SLACK_S, lambda: os.kill(server_pid, signal.SIGKILL))
        assert host.stderr.read().decode().splitlines() == ["cleaned up"]  # the end of the server
        last_resort()
        cancel()
    os.close(go_read)
    os.close(go_write)


PRINTING_PLUGIN = """
import os, subprocess, sys
print("printed at import")
sys.__stdout__.write("written at import\\n"); sys.__stdout__.flush()
os.write(1, b"written to descriptor 1 at import\\n")
subprocess.run([sys.executable, "-c", "print('printed by a child')"], check=True)

from whichweights_schemas.providers import GpuProvider
from whichweights_schemas.accelerators import DeviceReading

class Printing(GpuProvider):
    async def available(self):
        print("printed in a call")
        os.write(1, b"written to descriptor 1 in a call\\n")
        return None

    async def accelerators(self):
        print("printed while reading")
        raise RuntimeError("no device")
"""


@pytest.fixture
def printing_plugin(tmp_path: Path) -> dict[str, str]:
    """The environment in which a third party's provider is installed that prints everywhere."""
    (tmp_path / "printing_plugin.py").write_text(PRINTING_PLUGIN, encoding="utf-8")
    installed = tmp_path / "printing_plugin-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: printing-plugin\nVersion: 1.0\n", encoding="utf-8"
    )
    (installed / "entry_points.txt").write_text(
        "[whichweights.gpu]\nprinting = printing_plugin:Printing\n", encoding="utf-8"
    )
    return {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}


def test_stdout_carries_nothing_but_mcp_whatever_a_plugin_prints(printing_plugin: dict[str, str]):
    with started(REAL_SERVER, printing_plugin) as host:
        host.initialize()
        host.call("gpu_status", id=7)
        answer = host.receive()
        assert answer["id"] == 7
        providers = answer["result"]["structuredContent"]["providers"]
        assert {one["name"]: one["status"] for one in providers}["printing"] == "failed"
        host.stdin.close()
        assert host.stdout.read() == b""
        assert host.exit_status() == 0
        heard = host.stderr.read().decode()
    for line in (
        "printed at import",
        "written at import",
        "written to descriptor 1 at import",
        "printed by a child",
        "printed in a call",
        "written to descriptor 1 in a call",
    ):
        assert line in heard


def test_text_beyond_ascii_crosses_the_wire_in_both_directions():
    environment = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}
    with started(REAL_SERVER, environment) as host:
        host.initialize()
        host.call("describe_model", {"model": "日本語のモデル"})
        assert "日本語のモデル" in json.dumps(host.receive(), ensure_ascii=False)


def test_a_line_that_is_no_json_is_answered_or_ignored_and_the_server_lives():
    with started(REAL_SERVER) as host:
        host.initialize()
        host.stdin.write(b"\xff\xfe not json\n\n{\n")
        host.send(id=5, method="ping")
        answers = iter(host.receive, None)
        assert next(answer for answer in answers if answer.get("id") == 5)["result"] == {}


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28", "auto"])
async def test_the_sdk_client_lists_and_calls_over_stdio(mode: str):
    command, *arguments = REAL_SERVER
    parameters = StdioServerParameters(command=command, args=arguments)
    async with Client(parameters, mode=mode, read_timeout_seconds=START_S) as client:
        listed = (await client.list_tools()).tools
        assert [tool.name for tool in listed] == list(tool_specs())
        answer = await client.call_tool("gpu_status", {})
        assert not answer.is_error
        refused = await client.call_tool("gpu_status", {"accelerator": "RTX 4090"})
        assert refused.is_error
        with pytest.raises(MCPError) as caught:
            await client.call_tool("gpu_stats", {})
        assert caught.value.code == INVALID_PARAMS
        assert "gpu_status" in caught.value.message
