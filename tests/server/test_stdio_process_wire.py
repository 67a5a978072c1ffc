"""The wire: lines out of chunks, and code that other systems can import."""

import ast
import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whichweights.transports._wire import complete_lines, without_lone_surrogates

SERVER = Path(__file__).parents[2] / "server"
POSIX_ONLY = frozenset({"fcntl", "grp", "pwd", "resource", "termios", "tty"})
WINDOWS_ONLY = frozenset({"msvcrt", "winreg"})


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=10))
def test_lines_do_not_depend_on_how_the_bytes_were_cut(data: bytes, cuts: list[int]):
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    chunks = [data[a:b] for a, b in itertools.pairwise(edges)]
    assert list(complete_lines(chunks)) == list(complete_lines([data]))


@given(st.lists(st.binary(min_size=1, max_size=20).filter(lambda b: b.strip() == b), max_size=8))
def test_every_ended_line_arrives_once_and_in_order(lines: list[bytes]):
    wanted = [line for whole in lines for line in whole.split(b"\n")]
    data = b"".join(line + b"\r\n" for line in wanted)
    assert list(complete_lines([data, b"not ended"])) == [w.strip() for w in wanted if w.strip()]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r'"a\ud800b"', "a\ufffdb"),
        (r'"\udc00\ud83d"', "\ufffd\ufffd"),
        (r'"\uD83D\uDE00"', "\U0001f600"),
        (r'"\ud800\ud83d\ude00"', "\ufffd\U0001f600"),
        (r'"\\ud800"', r"\ud800"),
        (r'"\n\u00e9"', "\n\u00e9"),
    ],
)
def test_half_a_surrogate_pair_becomes_a_replacement_character(written: str, read: str):
    assert json.loads(without_lone_surrogates(written)) == read


@pytest.mark.parametrize("module", sorted(SERVER.rglob("*.py")), ids=lambda path: path.name)
def test_no_module_needs_one_operating_system_to_be_imported(module: Path):
    body = ast.parse(module.read_text(encoding="utf-8")).body
    imported = {
        name
        for node in body
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert not imported & (POSIX_ONLY | WINDOWS_ONLY)
