"""The README keeps its promises to a newcomer."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAX_LINES = 150


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_it_is_short():
    assert len(README.splitlines()) <= MAX_LINES


def test_it_names_exactly_one_test_command():
    assert [line for block in blocks("sh") for line in block.splitlines() if "test" in line] == [
        "scripts/test"
    ]


def test_the_first_command_asks_the_question_whose_answer_stands_above_it():
    shown = blocks("console")[0].splitlines()[0].removeprefix("$ ")
    install = blocks("sh")[0].replace("\\\n", " ")
    assert shlex.split(install.partition("/whichweights")[2]) == shlex.split(shown)[1:]


def example(name: str) -> Any:
    return json.loads((ROOT / "examples" / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["claude_desktop_config.json", "cursor_mcp.json"])
def test_its_host_configuration_is_the_example(name: str):
    assert json.loads(blocks("json")[0]) == example(name)


def test_the_command_for_vs_code_says_what_the_example_for_vs_code_says():
    (line,) = [line for block in blocks("sh") for line in block.splitlines() if "code --" in line]
    given = json.loads(shlex.split(line.replace("$PWD", "/absolute/path/to/whichweights"))[2])
    name = given.pop("name")
    assert {"servers": {name: {"type": "stdio", **given}}} == example("vscode_mcp.json")


def test_the_command_for_claude_code_starts_the_same_program():
    (line,) = [line for block in blocks("sh") for line in block.splitlines() if "claude" in line]
    words = shlex.split(line.replace("$PWD", "/absolute/path/to/whichweights"))
    server = example("claude_desktop_config.json")["mcpServers"]["whichweights"]
    assert words[words.index("--") + 1 :] == [server["command"], *server["args"]]
