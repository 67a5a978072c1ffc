"""Every code block of the documents is run, or read by what it is meant for.

A `console` block is a session: each `$ whichweights …` or `$ python …` line is run and what follows
it must be what the command prints, line breaks aside. A `text` block after a `python` block is what
that script prints. `pytest tests/docs --update` writes the present answers into the documents.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from whichweights.cli._app import app
from whichweights.config import load_config

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("examples/*.md")])
LANGUAGES = {"sh", "console", "python", "text", "json", "toml"}
COLUMNS = 96
SECONDS = 60
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, what it is, and the block after it."""

    document: Path
    line: int
    language: str
    text: str
    after: "Block | None" = None

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT).as_posix()}:{self.line}"

    def replace(self, text: str) -> None:
        """Write another text into the document in place of this one."""
        before = self.document.read_text(encoding="utf-8")
        old, new = (f"```{self.language}\n{body}```\n" for body in (self.text, text))
        assert before.count(old) == 1, f"{self}: the same block stands in it twice"
        self.document.write_text(before.replace(old, new), encoding="utf-8")


def blocks_of(document: Path) -> Iterator[Block]:
    """The blocks of a document, from the last to the first."""
    source = document.read_text(encoding="utf-8")
    after: Block | None = None
    for found in reversed(list(_FENCE.finditer(source))):
        line = source.count("\n", 0, found.start()) + 1
        after = Block(document, line, found[1], found[2], after)
        yield after


ELSEWHERE = {("providers.md", "python")}
"""Blocks that belong together and are run by a test of their own."""

BLOCKS = [
    block
    for document in DOCUMENTS
    for block in blocks_of(document)
    if (document.name, block.language) not in ELSEWHERE
]


def of(language: str) -> pytest.MarkDecorator:
    blocks = [block for block in BLOCKS if block.language == language]
    return pytest.mark.parametrize("block", blocks, ids=str)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A newcomer's: no configuration file, no plugins, a terminal of fixed width."""
    config = tmp_path / "config.toml"
    config.write_text("", encoding="utf-8")
    return {
        **os.environ,
        "WHICHWEIGHTS_CONFIG": str(config),
        "WHICHWEIGHTS_PROVIDERS": "whichweights:*",
        "COLUMNS": str(COLUMNS),
        "PYTHONIOENCODING": "utf-8",
    }


def run(words: list[str], environment: dict[str, str]) -> str:
    """What a command prints, complaints after answers."""
    done = subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", timeout=SECONDS,
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.stdout + done.stderr


def as_words(command: str) -> list[str]:
    """A line of a session as a process of this very interpreter."""
    program, *arguments = shlex.split(command.replace("\\\n", " "))
    assert program in ("whichweights", "python"), f"not run in a session: {program}"
    own = ["-m", "whichweights"] if program == "whichweights" else []
    return [sys.executable, *own, *arguments]


def wrapped(output: str) -> str:
    """Lines as a terminal would break them."""
    lines = output.splitlines()
    return "\n".join(
        textwrap.fill(line, COLUMNS, break_long_words=False, break_on_hyphens=False)
        for line in lines
    )


def session_of(text: str) -> Iterator[tuple[str, str]]:
    """(command, what it printed) of a session; a line that ends in a backslash goes on."""
    for piece in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        end = re.search(r"(?<!\\)\n", piece)
        assert end, f"a command ends with a line break: {piece!r}"
        yield piece[: end.end()], piece[end.end() :]


def test_documents_are_found_and_every_block_says_what_it_is():
    assert {"README.md", "tools.md"} <= {document.name for document in DOCUMENTS}
    assert [str(block) for block in BLOCKS if block.language not in LANGUAGES] == []


@of("console")
def test_a_session_prints_what_the_document_says(
    block: Block, environment: dict[str, str], request: pytest.FixtureRequest
):
    session = list(session_of(block.text))
    assert session, "a console block holds lines that begin with `$ `"
    now = [(command, run(as_words(command), environment)) for command, _ in session]
    defects = ("Traceback", "a defect of whichweights")
    assert [said for _, said in now if any(defect in said for defect in defects)] == []
    if request.config.getoption("update"):
        block.replace("".join(f"$ {line}{wrapped(printed)}\n" for line, printed in now))
        return
    assert [printed.split() for _, printed in session] == [said.split() for _, said in now]


@of("python")
def test_a_script_runs_and_prints_what_the_document_says(
    block: Block, environment: dict[str, str], request: pytest.FixtureRequest
):
    done = subprocess.run(
        [sys.executable, "-"], input=block.text, cwd=ROOT, env=environment, capture_output=True,
        encoding="utf-8", timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    printed = block.after if block.after and block.after.language == "text" else None
    if printed and request.config.getoption("update"):
        printed.replace(wrapped(done.stdout) + "\n")
        return
    assert done.stdout.split() == (printed.text.split() if printed else [])


@of("json")
def test_a_json_block_is_json(block: Block):
    assert json.loads(block.text)


@of("toml")
def test_a_toml_block_is_a_configuration_or_the_metadata_of_a_package(block: Block, tmp_path: Path):
    if "project" in tomllib.loads(block.text):
        return
    file = tmp_path / "config.toml"
    file.write_text(block.text, encoding="utf-8")
    load_config(file, {})


@of("sh")
def test_a_shell_block_names_only_files_and_commands_that_exist(block: Block):
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        for path in words:
            if re.match(r"(scripts|tests|examples|benchmarks|\.ci)/", path):
                assert (ROOT / path).exists(), path
        for program, argument in pairwise(words):
            if program.endswith("/whichweights") and not argument.startswith("-"):
                assert argument in {command.name for command in app.registered_commands}
