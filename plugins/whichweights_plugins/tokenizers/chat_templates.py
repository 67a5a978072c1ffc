"""Chat templates, rendered by minijinja with fuel: they come from strangers.

The environment is the one Hugging Face documents for chat templates (trim_blocks, lstrip_blocks,
loop controls, `raise_exception`, `strftime_now`, `tojson` that leaves text readable), checked
against jinja2 3.1.6 in 2026-11.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from whichweights_schemas.errors import InvalidArgument, ProviderFailed
from whichweights_schemas.tokenizing import Chat

FUEL = 1_000_000
"""Instructions one rendering may take; a chat of 1,000 messages takes about 60,000."""

MAX_TEMPLATE_CHARACTERS = 200_000
MAX_RENDERED_CHARACTERS = 32_000_000

# `{% generation %}` marks the assistant's own words for training; rendering ignores it.
_GENERATION = re.compile(r"\{%(-?)\s*(end)?generation\s*(-?)%\}")


class _RefusedError(Exception):
    """A template called `raise_exception`."""


class ChatTemplate:
    """One template with the special tokens it may name. Blocking; safe to share between threads.

    `source` names it in answers; `now` is the clock of `strftime_now`.
    """

    def __init__(
        self,
        template: str,
        source: str,
        *,
        special_tokens: Mapping[str, str] | None = None,
        variables: Mapping[str, Any] | None = None,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self.source = source
        self._template = template
        self._context = {**(special_tokens or {}), **(variables or {})}
        self._now = now

    def render(self, chat: Chat) -> str:
        """The chat as the model reads it.

        Raises InvalidArgument when the template itself refuses the messages, ProviderFailed when it
        cannot be rendered within its limits.
        """
        if len(self._template) > MAX_TEMPLATE_CHARACTERS:
            raise ProviderFailed(f"{self.source} is longer than {MAX_TEMPLATE_CHARACTERS:,}")
        import minijinja

        try:
            text = self._environment().render_str(
                _GENERATION.sub(_as_condition, self._template),
                messages=[_plain(message) for message in chat.messages],
                tools=[dict(tool) for tool in chat.tools] or None,
                documents=None,
                add_generation_prompt=chat.add_generation_prompt,
                **self._context,
            )
        except _RefusedError as refused:
            raise InvalidArgument(
                f"{self.source} refuses these messages: {_line(str(refused))}",
                field="messages",
                hint="change the roles or their order to what the model was trained on",
            ) from None
        except (minijinja.TemplateError, ValueError, TypeError, OverflowError) as error:
            # The last three: what a template made our own filters and functions do.
            raise ProviderFailed(
                f"{self.source} cannot be rendered: {_line(str(error))}",
                field="messages",
                hint="count the contents as text",
            ) from None
        if len(text) > MAX_RENDERED_CHARACTERS:
            raise ProviderFailed(f"{self.source} renders to {len(text):,} characters")
        return text

    def _environment(self) -> Any:
        import minijinja

        def raise_exception(message: object = "") -> None:
            raise _RefusedError(str(message))

        def strftime_now(form: str) -> str:
            return self._now().strftime(form)

        environment = minijinja.Environment(
            fuel=FUEL, trim_blocks=True, lstrip_blocks=True, auto_escape_callback=_never
        )
        environment.add_filter("tojson", _to_json)
        environment.add_global("raise_exception", raise_exception)
        environment.add_global("strftime_now", strftime_now)
        return environment


def _never(_name: str) -> bool:
    return False


def _as_condition(match: re.Match[str]) -> str:
    left, end, right = match.groups()
    return f"{{%{left} {'endif' if end else 'if true'} {right}%}}"


def _plain(message: Mapping[str, Any]) -> dict[str, Any]:
    """Without what the caller left out; a null content is a value to templates."""
    return {name: v for name, v in message.items() if v is not None or name == "content"}


def _to_json(value: object, indent: int | None = None, **options: object) -> str:
    """JSON as Hugging Face's filter writes it: no escapes of HTML, text readable."""
    separators = options.get("separators")
    return json.dumps(
        value,
        ensure_ascii=bool(options.get("ensure_ascii", False)),
        indent=indent,
        separators=tuple(separators) if isinstance(separators, list | tuple) else None,  # pyright: ignore[reportUnknownArgumentType]  # a template's own value
        sort_keys=bool(options.get("sort_keys", False)),
    )


def _line(text: str) -> str:
    return " ".join((text or "no reason given").split())[:200]
