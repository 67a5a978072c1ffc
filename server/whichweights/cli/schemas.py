"""The published JSON Schema of every tool: files generated here, never edited."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import whichweights_schemas
from whichweights.cli import _exits
from whichweights.tool_schemas import full_schemas
from whichweights.tools import tool_specs

PUBLISHED = Path(whichweights_schemas.__file__).parent / "published"
"""Where the files are installed."""

_MEND = "run python -m whichweights schemas --write"


def documents() -> dict[str, str]:
    """File name to text: the full input and output schema of every tool."""
    return {
        f"{name}.json": json.dumps(full_schemas(spec), ensure_ascii=False, indent=2) + "\n"
        for name, spec in tool_specs().items()
    }


def differences(folder: Path) -> list[str]:
    """The files that are missing, stale or left over, with the reason."""
    wanted = documents()
    present = {path.name for path in folder.glob("*.json")}
    found = [f"{name}: no such tool any more" for name in sorted(present - wanted.keys())]
    for name, text in wanted.items():
        if name not in present:
            found.append(f"{name}: missing")
        elif (folder / name).read_text(encoding="utf-8") != text:
            found.append(f"{name}: differs from the tool's definition")
    return found


def check(folder: Path) -> int:
    """Say which files differ; the exit status."""
    found = differences(folder)
    for line in found:
        _exits.complain(f"{line}; {_MEND}")
    return _exits.CALLER if found else _exits.OK


def write(folder: Path) -> int:
    """Make the folder hold exactly the published schemas; the exit status."""
    wanted = documents()
    folder.mkdir(parents=True, exist_ok=True)
    for stale in {path.name for path in folder.glob("*.json")} - wanted.keys():
        (folder / stale).unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    print(f"{len(wanted)} schemas in {folder}")
    return _exits.OK


def show() -> int:
    """Print all of them as one JSON object; the exit status."""
    all_of_them = {name.removesuffix(".json"): json.loads(t) for name, t in documents().items()}
    sys.stdout.write(json.dumps(all_of_them, ensure_ascii=False, indent=2) + "\n")
    return _exits.OK
