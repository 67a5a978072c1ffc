"""The commands of the recipes against the options that the tools themselves list.

`tests/data/tool_options.json` was read from the released packages (scripts/record_tool_options.py)
and, for llama.cpp's programs, from their READMEs.
"""

from __future__ import annotations

import ast
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whichweights.planning.formats import LAYOUTS, known_formats
from whichweights.planning.recipes import TOOLS, Material, NoRecipe, Recipe, Step, recipe_for

DATA: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "data" / "tool_options.json").read_text(encoding="utf-8")
)
GGUF_ONLY = [name for name in known_formats() if name not in LAYOUTS]
NEITHER = {"python", "-m", "serve", "download"}


def material(format_name: str, **changes: Any) -> Material:
    given: dict[str, Any] = {
        "model": "org/Some-Model-8B",
        "format": format_name,
        "source_bytes": 16_000_000_000,
        "sixteen_bytes": 16_000_000_000,
        "file_bytes": 5_000_000_000,
        "largest_bytes": 4_000_000_000,
        "has_vision": True,
        "imatrix": True,
        "native": False,
        "engine": "transformers",
    }
    return Material(**{**given, **changes})


def recipes() -> dict[str, Recipe]:
    """Every recipe there is, by format."""
    found: dict[str, Recipe] = {}
    for name in known_formats():
        made = recipe_for(material(name), in_gguf=name in GGUF_ONLY or name == "NVFP4")
        if isinstance(made, Recipe):
            found[name] = made
    served = recipe_for(material("bnb-NF4", engine="vllm"), in_gguf=False)
    own = recipe_for(material("MXFP4", native=True), in_gguf=True)
    assert isinstance(served, Recipe)
    assert isinstance(own, Recipe)
    return {**found, "bnb-NF4 in vLLM": served, "MXFP4 of its maker as GGUF": own}


RECIPES = recipes()
COMMANDS = sorted(
    {step.command for recipe in RECIPES.values() for step in recipe.steps}
    | {check.command for recipe in RECIPES.values() for check in recipe.checks if check.command}
)
SCRIPTS = [command for command in COMMANDS if command.startswith("python - <<")]
OTHERS = [command for command in COMMANDS if command not in SCRIPTS]
HUB = [command for command in OTHERS if command.startswith("hf ")]
SHELL = [command for command in OTHERS if command.split()[0] in ("ls", "du", "sh")]


def program(words: list[str]) -> str:
    """The tool a command calls, as the file of options names it."""
    if words[0] == "python":
        return words[2] if words[1] == "-m" else words[1]
    return words[0]


@pytest.mark.parametrize("command", [c for c in OTHERS if c not in (*HUB, *SHELL)])
def test_every_option_of_a_command_is_one_its_tool_knows(command: str):
    words = shlex.split(command)
    known = DATA["options"][program(words)]
    index = 0
    while index < len(words):
        word = words[index]
        if (word.startswith("-") and word != "-m") or (word == "-m" and words[0] != "python"):
            option = known[word]
            if option["value"]:
                index += 1
                assert not words[index].startswith("-")
                assert words[index] in option.get("choices", [words[index]])
        index += 1


def positionals(words: list[str]) -> list[str]:
    known = DATA["options"][program(words)]
    found: list[str] = []
    skip = False
    for word in words[words.index(program(words)) + 1 :]:
        if not skip and not word.startswith("-"):
            found.append(word)
        skip = not skip and word.startswith("-") and known[word]["value"]
    return found


@pytest.mark.parametrize(
    ("tool", "count"),
    [("convert_hf_to_gguf.py", 1), ("llama-quantize", 3), ("llama-imatrix", 0), ("vllm", 2)],
)
def test_a_command_gives_its_tool_as_many_files_as_it_takes(tool: str, count: int):
    commands = [shlex.split(c) for c in OTHERS if program(shlex.split(c)) == tool]
    assert commands
    assert {len(positionals(words)) for words in commands} == {count}


@pytest.mark.parametrize("name", [n for n in GGUF_ONLY if n in RECIPES])
def test_llama_quantize_is_given_a_type_of_its_own(name: str):
    last = [s.command for s in RECIPES[name].steps if s.command.startswith("llama-quantize")]
    if not last:
        assert name in ("F32", "F16", "BF16", "NVFP4")
        return
    words = shlex.split(last[0])
    assert words[-1] in known_formats()
    assert words[-2] == f"model-{name}.gguf"


def test_the_hub_program_installed_here_knows_the_download_options():
    done = subprocess.run(
        [sys.executable, "-m", "huggingface_hub.cli.hf", "download", "--help"],
        capture_output=True,
        check=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        env={"COLUMNS": "200", "HF_HUB_OFFLINE": "1", "PATH": ""},
    )
    for command in HUB:
        assert command.split()[:2] == ["hf", "download"]
        for word in shlex.split(command):
            assert not word.startswith("--") or word in done.stdout


@pytest.mark.parametrize("command", SCRIPTS, ids=lambda c: c[20:90])
def test_a_script_is_python_and_calls_with_names_that_exist(command: str):
    head, *body, end = command.split("\n")
    assert (head, end) == ("python - <<'EOF'", "EOF")
    tree = ast.parse("\n".join(body))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else None
        name = node.func.id if isinstance(node.func, ast.Name) else name
        known = DATA["parameters"].get(name)
        given = {keyword.arg for keyword in node.keywords}
        if known is not None:
            assert given <= set(known), name
        else:
            # from_pretrained and load_dataset take any; the others are called without names.
            assert name in ("from_pretrained", "load_dataset") or not given, name
        for keyword in node.keywords:
            if keyword.arg == "scheme" and isinstance(keyword.value, ast.Constant):
                assert keyword.value.value in DATA["schemes"]


def steps_of(name: str) -> list[Step]:
    return list(RECIPES[name].steps)


def test_the_steps_to_a_gguf_file_come_in_order_with_what_each_takes():
    found = [(step.command.split()[0], step.disk_bytes) for step in steps_of("IQ4_XS")]
    assert found == [
        ("hf", 16_000_000_000),
        ("python", 16_000_000_000),
        ("llama-imatrix", None),
        ("llama-quantize", 5_000_000_000),
        ("python", None),
    ]
    ram = [step.ram_bytes for step in steps_of("IQ4_XS")]
    assert ram == [None, 4_000_000_000, 16_000_000_000, 4_000_000_000, None]


@pytest.mark.parametrize("name", RECIPES)
def test_every_step_that_makes_weights_says_its_memory_and_what_that_follows_from(name: str):
    making = [s for s in steps_of(name) if s.tool.name != "hf" and "--mmproj" not in s.command]
    assert all(step.ram_bytes for step in making)
    assert all(step.ram_from for step in making)


def test_autoround_is_checked_in_the_folder_it_names_itself():
    # AutoRound 0.16.1 adds model, bits and group size to --output_dir (compressors/base.py).
    recipe = RECIPES["AutoRound-Int4"]
    assert recipe.steps[-1].command.endswith("--output_dir .")
    assert recipe.checks[0].command == "du -sb Some-Model-8B-w4g128"


def test_the_text_of_a_comparison_is_fetched_before_it_is_read():
    commands = [check.command for check in RECIPES["Q4_K_M"].checks]
    fetched = commands.index("sh scripts/get-wikitext-2.sh")
    assert "-f wikitext-2-raw/wiki.test.raw" in commands[fetched + 1]


def test_the_ends_of_a_large_mix_are_named():
    command = steps_of("Q4_K_L")[3].command
    assert "--output-tensor-type q8_0 --token-embedding-type q8_0" in command
    assert command.endswith("model-Q4_K_L.gguf Q4_K_M")


def test_a_file_without_imatrix_needs_no_text():
    made = recipe_for(material("Q4_K_M", imatrix=False), in_gguf=True)
    assert isinstance(made, Recipe)
    assert made.calibration == ""
    assert not any("imatrix" in step.command for step in made.steps)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("UD-Q4_K_XL", "type per tensor"),
        ("Q4_K_XL", "type per tensor"),
    ],
)
def test_what_cannot_be_made_says_why(name: str, reason: str):
    made = recipe_for(material(name), in_gguf="EXL" not in name)
    assert isinstance(made, NoRecipe)
    assert reason in made.reason


@given(name=st.text(max_size=40))
def test_a_model_that_is_no_repository_never_stands_in_a_command(name: str):
    made = recipe_for(material("Q4_K_M", model=name), in_gguf=True)
    if isinstance(made, Recipe):
        words = shlex.split(made.steps[0].command)
        assert words == ["hf", "download", name, "--local-dir", "source"]


@pytest.mark.parametrize("model", ["7B", "/tmp/model", "a/b/c", "a/b; rm -rf ~", "-x/y", "$(a)/b"])
def test_paths_and_shell_text_are_no_repositories(model: str):
    assert isinstance(recipe_for(material("Q4_K_M", model=model), in_gguf=True), NoRecipe)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_can_be_checked_and_names_its_tools(name: str):
    recipe = RECIPES[name]
    assert recipe.checks
    assert all(check.expect for check in recipe.checks)
    for tool in recipe.tools:
        assert tool in TOOLS
        assert tool.version
        assert tool.source
        assert tool.date
        assert tool.install


def test_every_layout_can_be_made():
    assert not set(LAYOUTS) - set(RECIPES)
