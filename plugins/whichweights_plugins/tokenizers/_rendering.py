"""Renders one chat template in a process of its own, with bounded memory and time.

Run as a script: a template comes from strangers, and fuel bounds instructions only. A string that a
loop doubles fills any memory within a hundred of them (seen with minijinja 3.0.5, 2026-11), which
ends this process and nothing else. Imports nothing of the product.
"""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime
from typing import Any

FUEL = 1_000_000
"""Instructions one rendering may take; a chat of 1,000 messages takes about 60,000."""

MEMORY_BYTES = 1 << 30
CPU_SECONDS = 5

# `{% generation %}` marks the assistant's own words for training; rendering ignores it.
_GENERATION = re.compile(r"\{%(-?)\s*(end)?generation\s*(-?)%\}")


class _RefusedError(Exception):
    """A template called `raise_exception`."""


def render(template: str, context: dict[str, Any], now: datetime) -> str:
    """The rendered text, in the environment Hugging Face documents for chat templates."""
    import minijinja

    def raise_exception(message: object = "") -> None:
        raise _RefusedError(str(message))

    def strftime_now(form: str) -> str:
        return now.strftime(form)

    environment = minijinja.Environment(
        fuel=FUEL, trim_blocks=True, lstrip_blocks=True, auto_escape_callback=_never
    )
    environment.add_filter("tojson", _to_json)
    environment.add_global("raise_exception", raise_exception)
    environment.add_global("strftime_now", strftime_now)
    return environment.render_str(_GENERATION.sub(_as_condition, template), **context)


def _never(_name: str) -> bool:
    return False


def _as_condition(match: re.Match[str]) -> str:
    left, end, right = match.groups()
    return f"{{%{left} {'endif' if end else 'if true'} {right}%}}"


def _to_json(value: object, indent: int | None = None, **options: Any) -> str:
    """JSON as Hugging Face's filter writes it: no escapes of HTML, text readable."""
    separators = options.get("separators")
    return json.dumps(
        value,
        ensure_ascii=bool(options.get("ensure_ascii", False)),
        indent=indent,
        separators=tuple(separators) if separators else None,
        sort_keys=bool(options.get("sort_keys", False)),
    )


def _bound() -> None:
    try:
        import resource
    except ImportError:  # Windows: the parent's deadline is the only bound
        return
    bounds = (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_CORE, 0),
    )
    for kind, bound in bounds:
        hard = resource.getrlimit(kind)[1]
        limit = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(kind, (limit, limit))


def _main() -> None:
    _bound()
    asked = json.load(sys.stdin)
    try:
        now = datetime.fromisoformat(asked["now"])
        answer = {"text": render(asked["template"], asked["context"], now)}
    except _RefusedError as refused:
        answer = {"refused": str(refused)}
    except Exception as error:  # whatever a stranger's template makes the engine raise
        answer = {"failed": str(error)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    _main()
