"""Tokens (o200k_base) of tools/list and of one answer of every tool.

    python benchmarks/tool_list.py

Bars: name + description + inputSchema 2,000 for all tools and 450 for one, 6,000 with the slim
outputSchemas; a default answer 1,500.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import anyio
from _calls import CALLS
from _tables import table, verdict

import whichweights
from whichweights.mcp_adapter import definition
from whichweights.tools import tool_specs
from whichweights_plugins.tokenizers.openai_encodings import (
    OpenAIEncodings,
    OpenAIEncodingsSettings,
)
from whichweights_schemas.providers import ProviderContext
from whichweights_schemas.requests import TokenizerRequest
from whichweights_schemas.tokenizing import Tokenizer

ALL_BAR, ONE_BAR, FULL_BAR, ANSWER_BAR = 2000, 450, 6000, 1500

T = TypeVar("T")


async def _at_once(function: Callable[..., T], /, *args: Any) -> T:
    return function(*args)


async def _o200k_base() -> Tokenizer:
    context = ProviderContext("openai-encodings", OpenAIEncodingsSettings(), _at_once)
    found = await OpenAIEncodings(context).tokenizer(TokenizerRequest(name="o200k_base"))
    assert found is not None
    return found


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def definitions(tokenizer: Tokenizer) -> str:
    """Tokens of every definition, with and without its output schema."""
    rows: list[list[object]] = []
    total = full_total = 0
    for spec in tool_specs().values():
        wire = definition(spec).model_dump(mode="json", by_alias=True, exclude_none=True)
        short = {name: wire[name] for name in ("name", "description", "inputSchema")}
        tokens, full = tokenizer.count(_compact(short)), tokenizer.count(_compact(wire))
        total, full_total = total + tokens, full_total + full
        rows.append([spec.name, tokens, f"<= {ONE_BAR}", verdict(tokens, ONE_BAR), full, "", ""])
    kept = verdict(full_total, FULL_BAR)
    rows.append(["all", total, f"<= {ALL_BAR}", verdict(total, ALL_BAR), full_total])
    rows[-1].extend([f"<= {FULL_BAR}", kept])
    head = ("tool", "name + description + input", "bar", "kept", "whole definition", "bar", "kept")
    return table("tools/list in tokens of o200k_base", head, rows)


async def answers(tokenizer: Tokenizer) -> str:
    """Tokens of one answer a call: structured content as compact JSON, and its text."""
    rows: list[list[object]] = []
    async with whichweights.open_toolbox() as toolbox:
        for call in CALLS:
            answer = await toolbox.call(call.tool, call.arguments)
            structured = tokenizer.count(_compact(answer.structured))
            text = tokenizer.count(answer.text)
            name = f"{call.tool} ({call.note})" + (" ERROR" if answer.is_error else "")
            total = structured + text
            rows.append([name, structured, text, total, verdict(total, ANSWER_BAR)])
    head = ("answer", "structured", "text", "together", f"<= {ANSWER_BAR}")
    return table("Answers in tokens of o200k_base", head, rows)


async def _main() -> None:
    tokenizer = await _o200k_base()
    print(definitions(tokenizer))
    print(await answers(tokenizer))


if __name__ == "__main__":
    anyio.run(_main)
