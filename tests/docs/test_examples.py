"""Every example is run, or used as the host it is meant for would use it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters

from whichweights.tools import tool_specs

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
CONFIGURATIONS = sorted(EXAMPLES.glob("*.json"))
SECONDS = 60


def run(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        capture_output=True, encoding="utf-8", timeout=SECONDS, check=False,
    )  # fmt: skip


def test_each_example_is_listed_in_their_readme():
    listed = re.findall(r"\]\(([\w./]+)\)", (EXAMPLES / "README.md").read_text(encoding="utf-8"))
    present = {path.name for path in EXAMPLES.iterdir() if not path.name.startswith((".", "__"))}
    assert {name.rstrip("/") for name in listed} == present - {"README.md"}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_runs_without_a_complaint(script: Path):
    done = run(script)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout


def test_in_process_gives_one_line_a_machine_and_says_what_an_ambiguous_name_could_mean():
    lines = run(EXAMPLES / "in_process.py").stdout.splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        "RTX 4090", "2x RTX 3090", "M3 Max 64GB", "H100 80GB",
    ]  # fmt: skip
    refused = run(EXAMPLES / "in_process.py", "qwen 32b")
    assert refused.returncode == 1
    assert "Qwen/Qwen3-32B" in refused.stdout


def test_the_mcp_client_lists_every_tool():
    first = run(EXAMPLES / "mcp_client.py").stdout.splitlines()[0]
    assert first.split()[1:] == list(tool_specs())


def servers_of(file: Path) -> dict[str, Any]:
    config = json.loads(file.read_text(encoding="utf-8"))
    return config["servers" if file.name.startswith("vscode") else "mcpServers"]


@pytest.mark.parametrize("file", CONFIGURATIONS, ids=lambda file: file.name)
async def test_a_host_that_reads_the_configuration_gets_the_tools(file: Path, tmp_path: Path):
    (server,) = servers_of(file).values()
    assert server["command"] == "/absolute/path/to/whichweights/.venv/bin/whichweights"
    assert server.get("type", "stdio") == "stdio"
    command = shutil.which("whichweights", path=str(Path(sys.executable).parent))
    assert command, "the console script is installed beside the interpreter"
    parameters = StdioServerParameters(command=command, args=server["args"], env={}, cwd=tmp_path)
    with anyio.fail_after(SECONDS):
        async with Client(parameters) as client:
            listed = await client.list_tools()
    assert [tool.name for tool in listed.tools] == list(tool_specs())
