"""The command line around the tools: help, lists, version, published schemas."""

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import whichweights
from whichweights.cli import main, schemas
from whichweights.cli._exits import CALLER, OK, USAGE
from whichweights.tool_schemas import full_schemas
from whichweights.tools import tool_specs

TOOLS = tuple(tool_specs())


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "whichweights", *arguments],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        env={**os.environ, "COLUMNS": "200", "TERM": "dumb"},
        check=False,
    )


@pytest.mark.parametrize("words", [["--help"], ["-h"], []], ids=["--help", "-h", "nothing"])
def test_help_names_every_command_and_the_exit_statuses(words: list[str]):
    done = run(*words)
    assert done.returncode in (OK, USAGE) if not words else done.returncode == OK
    for command in ("serve", "call", "tools", "providers", "schemas", "version"):
        assert command in done.stdout
    assert "Exit status" in done.stdout


@pytest.mark.parametrize("command", ["serve", "call", "tools", "providers", "schemas", "version"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]):
    assert main([command, "--help"]) == OK
    assert "Usage" in capsys.readouterr().out


def test_help_for_the_call_of_a_tool_shows_its_arguments(capsys: pytest.CaptureFixture[str]):
    assert main(["call", "estimate_vram", "--help"]) == OK
    shown = capsys.readouterr().out
    for argument in tool_specs()["estimate_vram"].arguments.model_fields:
        assert argument in shown


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]):
    assert main(["--version"]) == OK
    assert capsys.readouterr().out.strip() == whichweights.__version__
    assert main(["version"]) == OK
    assert f"whichweights {whichweights.__version__} " in capsys.readouterr().out


def test_the_console_script_is_the_same_program():
    (script,) = entry_points(group="console_scripts", name="whichweights")
    assert script.load() is main


@pytest.mark.parametrize(
    "words", [["srve"], ["tools", "--colour"], ["schemas", "--write", "--check"]]
)
def test_wrong_usage_has_status_2_and_no_traceback(
    words: list[str], capsys: pytest.CaptureFixture[str]
):
    assert main(words) == USAGE
    assert "Traceback" not in capsys.readouterr().err


def test_serve_takes_no_argument(capsys: pytest.CaptureFixture[str]):
    assert main(["serve", "--port"]) == USAGE
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_tools_lists_every_tool(capsys: pytest.CaptureFixture[str]):
    assert main(["tools"]) == OK
    shown = capsys.readouterr().out
    assert all(tool in shown for tool in TOOLS)


def test_tools_as_json_is_what_a_client_is_told(capsys: pytest.CaptureFixture[str]):
    assert main(["tools", "--json"]) == OK
    listed = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in listed] == list(TOOLS)
    assert main(["tools", TOOLS[0], "--json"]) == OK
    assert json.loads(capsys.readouterr().out) == listed[0]


def test_an_unknown_tool_is_wrong_usage_with_the_nearest_name(
    capsys: pytest.CaptureFixture[str],
):
    assert main(["tools", "estimate_vrm"]) == USAGE
    assert capsys.readouterr().err == (
        "whichweights: no tool 'estimate_vrm'; did you mean estimate_vram?\n"
    )


def test_providers_lists_the_built_ins_with_their_state():
    done = run("providers", "--json")
    assert done.returncode == OK, done.stderr
    listed = json.loads(done.stdout)
    states = {(one["kind"], one["name"]): one["state"] for one in listed}
    assert states["models", "catalogue"] == "ready"
    table = run("providers")
    assert table.returncode == OK
    assert all(one["name"] in table.stdout for one in listed)


def test_written_schemas_pass_the_check_and_a_changed_one_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "published"
    assert main(["schemas", "--check", "--folder", str(folder)]) == CALLER
    assert main(["schemas", "--write", "--folder", str(folder)]) == OK
    assert main(["schemas", "--check", "--folder", str(folder)]) == OK
    assert {path.stem for path in folder.iterdir()} == set(TOOLS)
    (folder / f"{TOOLS[0]}.json").write_text("{}\n", encoding="utf-8")
    (folder / "gone.json").write_text("{}\n", encoding="utf-8")
    capsys.readouterr()
    assert main(["schemas", "--check", "--folder", str(folder)]) == CALLER
    assert [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()] == [
        "gone.json",
        f"{TOOLS[0]}.json",
    ]
    assert main(["schemas", "--write", "--folder", str(folder)]) == OK
    assert main(["schemas", "--check", "--folder", str(folder)]) == OK


def test_schemas_without_an_option_prints_all_of_them(capsys: pytest.CaptureFixture[str]):
    assert main(["schemas"]) == OK
    printed = json.loads(capsys.readouterr().out)
    assert printed == {name: full_schemas(spec) for name, spec in tool_specs().items()}


def test_the_published_schemas_are_those_of_the_tools():
    assert schemas.differences(schemas.PUBLISHED) == []
