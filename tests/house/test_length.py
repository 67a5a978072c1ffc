"""Files and functions stay short enough to be read at one sitting."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("server/whichweights", "plugins/whichweights_plugins", "schemas/whichweights_schemas")
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50


def too_long(source: str, name: str) -> list[str]:
    """The parts of one file that are longer than the house allows."""
    lines = len(source.splitlines())
    found = [f"{name}: {lines} lines"] if lines > MAX_FILE_LINES else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            first = min([node.lineno, *(item.lineno for item in node.decorator_list)])
            length = node.end_lineno - first + 1
            if length > MAX_FUNCTION_LINES:
                found.append(f"{name}:{first} {node.name}: {length} lines")
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_no_file_is_longer_than_400_lines_and_no_function_longer_than_50(package: str):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files, "the package has no files: it was moved, and this test must follow"
    assert [
        line
        for file in files
        for line in too_long(file.read_text(encoding="utf-8"), str(file.relative_to(ROOT)))
    ] == []


def test_a_file_and_a_function_over_the_limit_are_named():
    function = "def long():\n" + "    x = 1\n" * MAX_FUNCTION_LINES
    assert too_long(function, "f.py") == ["f.py:1 long: 51 lines"]
    assert too_long("x = 1\n" * (MAX_FILE_LINES + 1), "f.py") == ["f.py: 401 lines"]
