"""The harmony format of gpt-oss: messages and tools as OpenAI's renderer writes them.

Checked id by id against openai-harmony 0.0.8 (2026-11). User text stays text: only the marks that
stand between the parts are special tokens.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from whichweights_schemas.errors import InvalidArgument, NoTokenizer
from whichweights_schemas.tokenizing import Chat

SOURCE = "harmony format, OpenAI"

_IDENTITY = "You are ChatGPT, a large language model trained by OpenAI."
_CHANNELS = (
    "# Valid channels: analysis, commentary, final. Channel must be included for every message."
)
_TOOL_CHANNEL = "\nCalls to these tools must go to the commentary channel: 'functions'."
_TYPES = {"string": "string", "number": "number", "integer": "number", "boolean": "boolean"}


def pieces(chat: Chat, now: Callable[[], datetime] = datetime.now) -> Iterator[tuple[bool, str]]:
    """The rendered chat as (is a special token, text).

    Raises NoTokenizer for what is not rendered here: tool calls, tool results, nested schemas.
    """
    yield from _message("system", _system(chat, now))
    instructions = "\n\n".join(
        str(m.get("content") or "") for m in chat.messages if m.get("role") in _INSTRUCTING
    )
    developer = [f"# Instructions\n\n{instructions}"] if instructions else []
    if chat.tools:
        developer.append(_tools(chat.tools))
    if developer:
        yield from _message("developer", "\n\n".join(developer))
    for place, message in enumerate(chat.messages):
        yield from _turn(message, place)
    if chat.add_generation_prompt:
        yield True, "<|start|>"
        yield False, "assistant"


_INSTRUCTING = ("system", "developer")


def _system(chat: Chat, now: Callable[[], datetime]) -> str:
    return (
        f"{_IDENTITY}\nKnowledge cutoff: 2024-06\nCurrent date: {now():%Y-%m-%d}\n\n"
        f"Reasoning: medium\n\n{_CHANNELS}{_TOOL_CHANNEL if chat.tools else ''}"
    )


def _turn(message: Mapping[str, Any], place: int) -> Iterator[tuple[bool, str]]:
    role = str(message.get("role"))
    if message.get("tool_calls") or role == "tool":
        raise NoTokenizer(
            "tool calls and tool results are not rendered in the harmony format here",
            field=f"messages.{place}",
            hint="leave them out, or count them as text",
        )
    content = str(message.get("content") or "")
    if role == "user":
        yield from _message("user", content)
    elif role == "assistant":
        yield from _message("assistant", content, channel="final")
    elif role not in _INSTRUCTING:
        raise InvalidArgument(
            f"the harmony format has no role {role[:40]}",
            field=f"messages.{place}.role",
            hint="system, developer, user or assistant",
        )


def _message(role: str, content: str, channel: str | None = None) -> Iterator[tuple[bool, str]]:
    yield True, "<|start|>"
    yield False, role
    if channel:
        yield True, "<|channel|>"
        yield False, channel
    yield True, "<|message|>"
    yield False, content
    yield True, "<|end|>"


def _tools(tools: Sequence[Mapping[str, Any]]) -> str:
    lines = ["# Tools\n", "## functions\n", "namespace functions {\n"]
    for tool in tools:
        function = _mapping(tool.get("function")) or tool
        lines += _comment(function.get("description"))
        parameters = _mapping(function.get("parameters"))
        if not parameters:
            lines.append(f"type {function.get('name')} = () => any;\n")
            continue
        required = parameters.get("required") or ()
        lines.append(f"type {function.get('name')} = (_: {{")
        for name, value in _mapping(parameters.get("properties")).items():
            lines += _property(name, _mapping(value), name in required)
        lines.append("}) => any;\n")
    return "\n".join([*lines, "} // namespace functions"])


def _property(name: str, value: Mapping[str, Any], required: bool) -> list[str]:
    default = value.get("default")
    written = default if isinstance(default, str) and "enum" in value else json.dumps(default)
    tail = f", // default: {written}" if default is not None else ","
    return [
        *_comment(value.get("description")),
        f"{name}{'' if required else '?'}: {_type(value)}{tail}",
    ]


def _type(value: Mapping[str, Any]) -> str:
    kind = value.get("type")
    choices = value.get("enum")
    if kind == "string" and isinstance(choices, list):
        return " | ".join(json.dumps(choice) for choice in cast("list[object]", choices))
    if kind == "array":
        return f"{_type(_mapping(value.get('items')))}[]"
    if isinstance(kind, str) and kind in _TYPES:
        return _TYPES[kind]
    raise NoTokenizer(
        "a tool parameter of this type is not rendered in the harmony format here",
        field="tools",
        hint="string, number, integer, boolean, enumerations of text, and lists of these",
    )


def _comment(text: object) -> list[str]:
    return [f"// {line}" for line in str(text).splitlines()] if text else []


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
