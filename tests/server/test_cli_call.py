"""`whichweights call`: the same answers for a script, by key=value."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import whichweights.toolbox
from whichweights.cli import call
from whichweights.cli._exits import CALLER, DEFECT, OK, OPERATOR, UPSTREAM, USAGE, status_of
from whichweights_schemas.errors import CallerError, OperatorError, UpstreamError

TIMEOUT_S = 60


def run(
    *arguments: str, environment: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "whichweights", "call", *arguments],
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        env={**os.environ, **(environment or {})},
        check=False,
    )


# --- the words of the command line


def test_a_key_given_twice_makes_a_list():
    request = call.parse(["t", "a=1", "a=2", "a=3", "b=x"])
    assert request.arguments == {"a": ["1", "2", "3"], "b": "x"}


def test_a_dotted_key_sets_a_key_of_an_object():
    request = call.parse(["t", "options.engine_version=b5200", 'options.lora_targets=["q", "v"]'])
    assert request.arguments == {"options": {"engine_version": "b5200", "lora_targets": ["q", "v"]}}


def test_the_flag_for_json_may_stand_anywhere():
    assert call.parse(["t", "a=1", "--json"]) == call.parse(["--json", "t", "a=1"])
    assert call.parse(["t", "--json"]).as_json
    assert not call.parse(["t"]).as_json


@given(st.text(st.characters(codec="utf-8"), max_size=50))
def test_a_value_arrives_as_it_was_written(value: str):
    assert call.parse(["t", f"text={value}"]).arguments == {"text": value}


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--json"],
        ["model=x"],
        ["t", "no equals sign"],
        ["t", "1a=x"],
        ["t", "a..b=x"],
        ["t", "--model=x"],
        ["t", "-m", "x"],
        ["t", "a=1", "a.b=2"],
        ["t", "a.b=2", "a=1"],
    ],
)
def test_a_wrong_command_line_is_a_usage_error(words: list[str]):
    with pytest.raises(call.UsageError):
        call.parse(words)


def test_an_argument_written_as_an_option_is_explained():
    with pytest.raises(call.UsageError, match="write model=x"):
        call.parse(["t", "--model=x"])


# --- the process


def test_an_answer_is_printed_as_text():
    done = run("quantize_plan", "tag=Q4_K_M")
    assert (done.returncode, done.stderr) == (OK, "")
    assert "Q4_K_M" in done.stdout
    assert not done.stdout.startswith("{")


async def test_the_json_is_the_structured_answer_of_the_toolbox():
    done = run("quantize_plan", "tag=Q4_K_M", "--json")
    async with whichweights.toolbox.open_toolbox() as toolbox:
        answer = await toolbox.call("quantize_plan", {"tag": "Q4_K_M"})
    assert json.loads(done.stdout) == answer.structured


def test_an_error_of_the_caller_is_one_line_on_stderr_and_status_1():
    done = run("describe_model", "model=nobody never made this")
    assert done.returncode == CALLER
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "model_not_found" in done.stderr


def test_with_json_an_error_is_an_object_on_stdout():
    done = run("describe_model", "modle=llama 3.1 8b", "--json")
    assert done.returncode == CALLER
    error = json.loads(done.stdout)
    assert error["code"] == "invalid_argument"
    assert error["suggestions"] == ["model"]


def test_an_unknown_tool_is_wrong_usage_and_names_the_nearest():
    done = run("describe_modle", "model=x")
    assert done.returncode == USAGE
    assert "did you mean describe_model?" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_unknown_option_is_wrong_usage():
    done = run("describe_model", "--verbose")
    assert done.returncode == USAGE
    assert len(done.stderr.splitlines()) == 1


def test_a_tokenizer_that_is_not_at_hand_is_for_the_operator():
    done = run("count_tokens", "models=gemma 3 27b it", "text=hello")
    assert done.returncode == OPERATOR
    assert "no_tokenizer" in done.stderr


@pytest.mark.parametrize("command", ["call", "serve"])
def test_a_configuration_that_cannot_be_read_is_for_the_operator(tmp_path: Path, command: str):
    words = ["gpu_status"] if command == "call" else []
    done = subprocess.run(
        [sys.executable, "-m", "whichweights", command, *words],
        stdin=subprocess.PIPE,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        env={**os.environ, "WHICHWEIGHTS_CONFIG": str(tmp_path / "absent.toml")},
        check=False,
    )
    assert (done.returncode, done.stdout) == (OPERATOR, "")
    assert len(done.stderr.splitlines()) == 1
    assert "absent.toml" in done.stderr


def test_options_and_texts_reach_the_tool():
    done = run(
        "estimate_vram",
        "model=llama 3.1 8b",
        "accelerators=RTX 4090",
        "context_tokens=32k",
        "options.flash_attention=true",
        "--json",
    )
    assert done.returncode == OK, done.stderr
    settings = json.loads(done.stdout)["settings"]
    assert settings["context_tokens"] == 32_768
    assert settings["options"]["flash_attention"] is True


PRINTING = """
import os
print("noise")
os.write(1, b"noise\\n")
from whichweights_schemas.providers import GpuProvider

class Printing(GpuProvider):
    async def accelerators(self):
        os.write(1, b"noise\\n")
        raise RuntimeError("no device")
"""


def test_a_plugin_that_prints_leaves_the_json_whole(tmp_path: Path):
    (tmp_path / "noisy_plugin.py").write_text(PRINTING, encoding="utf-8")
    installed = tmp_path / "noisy_plugin-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: noisy-plugin\nVersion: 1.0\n", encoding="utf-8"
    )
    (installed / "entry_points.txt").write_text(
        "[whichweights.gpu]\nnoisy = noisy_plugin:Printing\n", encoding="utf-8"
    )
    search_path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = run("gpu_status", "--json", environment={"PYTHONPATH": search_path})
    assert done.returncode == OK
    providers = json.loads(done.stdout)["providers"]
    assert {one["name"]: one["status"] for one in providers}["noisy"] == "failed"
    assert done.stderr.count("noise") == 3
    listing = subprocess.run(
        [sys.executable, "-m", "whichweights", "providers", "--json"],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        env={**os.environ, "PYTHONPATH": search_path},
    )
    assert "noisy" in {one["name"] for one in json.loads(listing.stdout)}
    assert "noise" in listing.stderr


def test_a_reader_that_stops_early_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as broken:
        done = subprocess.run(
            [sys.executable, "-m", "whichweights", "call", "quantize_plan", "tag=Q4_K_M", "--json"],
            stdout=broken,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            timeout=TIMEOUT_S,
            check=False,
        )
    assert (done.returncode, done.stderr) == (OK, "")


FAILING = """
import sys
from contextlib import asynccontextmanager
import whichweights.toolbox as toolbox
from whichweights.cli import main

class Box:
    async def call(self, name, arguments):
        return toolbox.ToolAnswer({"code": sys.argv[1], "message": "m"}, "it\\nfailed", True)

@asynccontextmanager
async def opener(config=None):
    yield Box()

toolbox.open_toolbox = opener
sys.exit(main(["call", "anything"]))
"""


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ambiguous_model", CALLER),
        ("model_gated", OPERATOR),
        ("provider_timeout", UPSTREAM),
        ("internal_error", DEFECT),
    ],
)
def test_the_exit_status_says_who_must_act(code: str, status: int):
    done = subprocess.run(
        [sys.executable, "-c", FAILING, code],
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr == "whichweights: it failed\n"


def test_every_error_of_the_contract_has_a_status():
    for addressee, status in ((CallerError, CALLER), (OperatorError, OPERATOR), (UpstreamError, 4)):
        errors = addressee.__subclasses__()
        assert errors
        assert {status_of(error.code) for error in errors} == {status}


HEAVY = (
    "huggingface_hub",
    "httpx",
    "httpx2",
    "mcp",
    "mcp_types",
    "rich",
    "starlette",
    "tokenizers",
    "typer",
)
WITNESS = f"""
import sys
from whichweights.cli import main
status = main(sys.argv[1:])
sys.stderr.write("loaded: " + " ".join(name for name in {HEAVY!r} if name in sys.modules))
sys.exit(status)
"""


@pytest.mark.parametrize(
    "words",
    [
        ["describe_model", "model=llama 3.1 8b"],
        ["estimate_vram", "model=llama 3.1 8b", "accelerators=RTX 4090"],
        ["quantize_plan", "tag=Q4_K_M"],
    ],
    ids=lambda words: words[0],
)
def test_a_call_on_an_embedded_model_loads_no_heavy_library(words: list[str]):
    done = subprocess.run(
        [sys.executable, "-c", WITNESS, "call", *words],
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == OK, done.stderr
    assert done.stderr == "loaded: "


NOT_OF_A_FIT = (
    "tomllib",
    "whichweights.planning.ranking",
    "whichweights.planning.training",
    "whichweights.tools.recommend_model",
    "whichweights_schemas.api_models",
    "whichweights_schemas.languages",
)


def test_a_question_whether_a_model_fits_loads_nothing_of_other_questions():
    done = subprocess.run(
        [
            *(sys.executable, "-c", WITNESS.replace(repr(HEAVY), repr(NOT_OF_A_FIT)), "call"),
            *("estimate_vram", "model=llama 3.1 8b", "accelerators=RTX 4090"),
        ],
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == OK, done.stderr
    assert done.stderr == "loaded: "
