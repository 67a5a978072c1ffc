"""`whichweights call TOOL key=value …`: one answer for a person, or JSON for a script."""

from __future__ import annotations

import gc
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from whichweights.cli import _exits
from whichweights.transports._stopping import leave
from whichweights.transports._wire import claim

if TYPE_CHECKING:
    from whichweights.toolbox import ToolAnswer

_KEY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_SEE = "see whichweights call --help"


class UsageError(Exception):
    """The command line itself is wrong; the text says how."""


@dataclass
class Request:
    """What to call, with what, and in which form to answer."""

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    as_json: bool = False


def call(arguments: Sequence[str]) -> int:
    """Call one tool and print its answer; the exit status.

    stdout carries the answer only, whatever plugins print; errors are one line on stderr.
    """
    try:
        request = parse(arguments)
    except UsageError as error:
        _exits.complain(str(error))
        return _exits.USAGE
    # One answer lives for a fraction of a second: looking for cycles would be a quarter of it.
    gc.disable()
    # Nor does it pay for pydantic to look through every installed distribution for its plugins.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    wire = claim(stdin=False)
    with os.fdopen(wire.write_fd, "w", encoding="utf-8", errors="replace") as out:
        try:
            status, text = _answer(request)
            out.write(text)
            out.flush()
        except BrokenPipeError:  # `| head` has seen enough; what is buffered goes nowhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
            status = _exits.OK
        except KeyboardInterrupt:
            status = _exits.INTERRUPTED
    gc.freeze()  # and so would the search at the exit
    return leave(status)


def parse(arguments: Sequence[str]) -> Request:
    """The request behind the command line. Raises UsageError.

    Values stay strings: the tools take every lossless spelling, JSON lists and objects included.
    `options.engine_version=b5200` sets a key of an object, a key given twice makes a list.
    """
    words = [word for word in arguments if not word.startswith("-")]
    flags = [word for word in arguments if word.startswith("-")]
    if unknown := [flag for flag in flags if flag != "--json"]:
        name = unknown[0].lstrip("-")
        hint = f"write {name}" if "=" in name else _SEE
        raise UsageError(f"call: no option {unknown[0]}; {hint}")
    if not words or "=" in words[0]:
        raise UsageError(f"call: which tool? {_SEE}")
    request = Request(words[0], as_json=bool(flags))
    for word in words[1:]:
        key, equals, value = word.partition("=")
        if not equals or not _KEY.fullmatch(key):
            raise UsageError(f"call: expected key=value, got {word[:60]!r}; {_SEE}")
        _put(request.arguments, key.split("."), value)
    return request


def _put(target: dict[str, Any], path: Sequence[str], value: str) -> None:
    *parents, last = path
    for parent in parents:
        inner = target.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise UsageError(f"call: {parent} is given as a value and as an object")
        target = cast("dict[str, Any]", inner)
    parsed = _parsed(value) if parents else value
    if last not in target:
        target[last] = parsed
    elif isinstance(target[last], list):
        target[last].append(parsed)
    elif isinstance(target[last], dict):
        raise UsageError(f"call: {last} is given as a value and as an object")
    else:
        target[last] = [target[last], parsed]


def _parsed(value: str) -> Any:
    """A list or an object from JSON; every other text stays as it is."""
    if value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _answer(request: Request) -> tuple[int, str]:
    import anyio

    from whichweights.toolbox import UnknownTool
    from whichweights_schemas.errors import WhichweightsError

    try:
        answer = anyio.run(_call, request)
    except UnknownTool as unknown:
        near = f"did you mean {unknown.suggestions[0]}?" if unknown.suggestions else ""
        _exits.complain(f"no tool {unknown.name[:60]!r}; {near or 'see whichweights tools'}")
        return _exits.USAGE, ""
    except WhichweightsError as error:
        return _exits.report(error), ""
    if answer.is_error:
        _exits.complain(answer.text)
    status = _exits.status_of(answer.structured.get("code")) if answer.is_error else _exits.OK
    if request.as_json:
        return status, json.dumps(answer.structured, ensure_ascii=False, indent=2) + "\n"
    return status, "" if answer.is_error else answer.text.rstrip("\n") + "\n"


async def _call(request: Request) -> ToolAnswer:
    from whichweights.toolbox import open_toolbox

    async with open_toolbox() as toolbox:
        return await toolbox.call(request.tool, request.arguments)
