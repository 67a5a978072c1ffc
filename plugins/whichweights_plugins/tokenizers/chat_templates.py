"""Chat templates, which come from strangers: rendered with fuel, in a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from whichweights_schemas.errors import InvalidArgument, ProviderFailed
from whichweights_schemas.tokenizing import Chat

MAX_TEMPLATE_CHARACTERS = 200_000
MAX_RENDERED_BYTES = 64_000_000
SECONDS = 6.0

_SCRIPT = Path(__file__).with_name("_rendering.py")


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
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self.source = source
        self._template = template
        self._special_tokens = dict(special_tokens or {})
        self._now = now

    def render(self, chat: Chat) -> str:
        """The chat as the model reads it; about a tenth of a second for the process.

        Raises InvalidArgument when the template itself refuses the messages, ProviderFailed when it
        cannot be rendered within its limits.
        """
        if len(self._template) > MAX_TEMPLATE_CHARACTERS:
            raise ProviderFailed(f"{self.source} is longer than {MAX_TEMPLATE_CHARACTERS:,}")
        context = {
            "messages": [_plain(message) for message in chat.messages],
            "tools": [dict(tool) for tool in chat.tools] or None,
            "documents": None,
            "add_generation_prompt": chat.add_generation_prompt,
            **self._special_tokens,
        }
        answer = self._asked(
            {"template": self._template, "context": context, "now": self._now().isoformat()}
        )
        if "refused" in answer:
            raise InvalidArgument(
                f"{self.source} refuses these messages: {_line(answer['refused'])}",
                field="messages",
                hint="change the roles or their order to what the model was trained on",
            )
        if "text" not in answer:
            raise self._failed(_line(answer.get("failed", "")))
        return answer["text"]

    def _asked(self, question: Mapping[str, Any]) -> dict[str, str]:
        try:
            done = subprocess.run(
                [sys.executable, "-I", str(_SCRIPT)],
                input=json.dumps(question).encode(),
                capture_output=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise self._failed(f"it takes more than {SECONDS:.0f} s") from None
        if done.returncode != 0:
            raise self._failed("it takes more memory or time than it may have")
        if len(done.stdout) > MAX_RENDERED_BYTES:
            raise self._failed("the text it makes is too long")
        return json.loads(done.stdout)

    def _failed(self, reason: str) -> ProviderFailed:
        return ProviderFailed(
            f"{self.source} cannot be rendered: {reason}",
            field="messages",
            hint="count the contents as text",
        )


def _plain(message: Mapping[str, Any]) -> dict[str, Any]:
    """Without what the caller left out; a null content is a value to templates."""
    return {name: v for name, v in message.items() if v is not None or name == "content"}


def _line(text: str) -> str:
    return " ".join((text or "no reason given").split())[:200]
