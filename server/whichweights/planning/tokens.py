"""Arithmetic around a token count: words, message and tool overhead, pieces that can be shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from whichweights_schemas.tokenizing import MessageRule, Tokenizer

_STEP_CHARACTERS = 50_000
_PROPERTY_BLOCK = 3
_PROPERTY = 3
_ENUM = -3
_ENUM_ITEM = 3
_TOOLS_END = 12


def words_of(text: str) -> int:
    """Number of words as white space separates them; scripts without it count as few words.

    Works in steps, so that a long text does not keep other threads waiting.
    """
    words, open_word = 0, False
    for start in range(0, len(text), _STEP_CHARACTERS):
        step = text[start : start + _STEP_CHARACTERS]
        words += len(step.split()) - (open_word and not step[0].isspace())
        open_word = not step[-1].isspace()
    return words


def message_overhead(rule: MessageRule, *, messages: int, named: int) -> int:
    """Tokens a chat adds to contents, roles and names under a documented rule; 0 messages add 0."""
    if not messages:
        return 0
    return rule.per_message * messages + rule.per_name * named + rule.reply


def tool_tokens(
    count: Callable[[str], int], tools: Sequence[Mapping[str, Any]], per_tool: int
) -> int:
    """Tokens that function definitions add under OpenAI's documented rule.

    Source: OpenAI Cookbook, How to count tokens with tiktoken, section on tool calls (read
    2026-11): `per_tool` and the line "name:description" for each function, 3 for its properties, 3
    and the line "name:type:description" for each one, -3 and 3 an item for an enumeration, 12 at
    the end. Descriptions count without their final full stop.
    """
    total = 0
    for tool in tools:
        function = function_of(tool)
        total += per_tool + count(f"{function.get('name', '')}:{_described(function)}")
        properties = _mapping(_mapping(function.get("parameters")).get("properties"))
        total += _PROPERTY_BLOCK if properties else 0
        for name, value in properties.items():
            total += _PROPERTY + _property_tokens(count, name, _mapping(value))
    return total + _TOOLS_END if tools else 0


def function_of(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """The function inside a tool definition, or the definition itself where it is bare."""
    return _mapping(tool.get("function")) or tool


def show_pieces(tokenizer: Tokenizer, text: str, limit: int) -> tuple[str, ...]:
    r"""The first `limit` tokens as text; bytes that are no UTF-8 by themselves as `\xNN`.

    A token has at least one byte of text, so the beginning of a long text is enough to look at; a
    margin keeps the cut from touching the tokens that are shown.
    """
    beginning = text[: 200 * limit + 10_000]
    ids = list(tokenizer.encode(beginning))[:limit]
    return tuple(tokenizer.token_bytes(token).decode("utf-8", "backslashreplace") for token in ids)


def _property_tokens(count: Callable[[str], int], name: str, value: Mapping[str, Any]) -> int:
    items = value.get("enum")
    listed = cast("list[object]", items) if isinstance(items, list) else None
    total = 0
    if listed is not None:
        total += _ENUM + sum(_ENUM_ITEM + count(str(item)) for item in listed)
    return total + count(f"{name}:{value.get('type', '')}:{_described(value)}")


def _described(value: Mapping[str, Any]) -> str:
    return str(value.get("description") or "").removesuffix(".")


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
