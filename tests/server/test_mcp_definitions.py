"""What a model pays for knowing the tools, and that every answer keeps its promise."""

import json
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator
from mcp import Client
from mcp_types import Tool

import whichweights.toolbox
from whichweights.app import build_server
from whichweights.tool_schemas import full_schemas
from whichweights.tools import tool_specs

TOOLS = tuple(tool_specs())
MAX_INPUT_TOKENS = 2_000
MAX_INPUT_TOKENS_A_TOOL = 450
MAX_LIST_TOKENS = 6_000
MAX_DESCRIPTION_CHARACTERS = 400

QUESTIONS: dict[str, dict[str, Any]] = {
    "recommend_model": {"task": "chat", "accelerators": "RTX 4090"},
    "estimate_vram": {"model": "llama 3.1 8b", "accelerators": "RTX 4090"},
    "quantize_plan": {"model": "llama 3.1 8b", "accelerators": "RTX 4090"},
    "check_language_coverage": {"model": "llama 3.1 8b", "languages": ["de", "sw"]},
    "count_tokens": {"models": "o200k_base", "text": "How many tokens?"},
    "describe_model": {"model": "llama 3.1 8b"},
    "gpu_status": {},
}


async def definitions() -> list[Tool]:
    async with Client(build_server()) as client:
        return (await client.list_tools()).tools


async def tokens(value: object) -> int:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    async with whichweights.toolbox.open_toolbox() as toolbox:
        answer = await toolbox.count_tokens(models="o200k_base", text=text)
    count = answer.counts[0].tokens
    assert count
    return count


def shown(tool: Tool, *fields: str) -> dict[str, Any]:
    wire = tool.model_dump(by_alias=True, exclude_none=True)
    return {name: wire[name] for name in fields or wire}


def keywords(schema: object) -> set[str]:
    """Every keyword of a schema; names of properties are not keywords."""
    if isinstance(schema, list):
        return {word for item in cast("list[object]", schema) for word in keywords(item)}
    if not isinstance(schema, dict):
        return set()
    found = set[str]()
    for word, value in cast("dict[str, object]", schema).items():
        found.add(word)
        if word == "properties":
            found |= keywords(list(cast("dict[str, object]", value).values()))
        elif word not in ("default", "enum"):
            found |= keywords(value)
    return found


async def test_the_tools_fit_the_budget_of_tokens():
    tools = await definitions()
    inputs = [shown(tool, "name", "description", "inputSchema") for tool in tools]
    assert await tokens(inputs) <= MAX_INPUT_TOKENS
    assert await tokens([shown(tool) for tool in tools]) <= MAX_LIST_TOKENS
    for entry in inputs:
        assert await tokens(entry) <= MAX_INPUT_TOKENS_A_TOOL, entry["name"]


async def test_definitions_have_no_automatic_titles_and_short_descriptions():
    for tool in await definitions():
        assert tool.description
        assert len(tool.description) <= MAX_DESCRIPTION_CHARACTERS, tool.name
        assert tool.output_schema
        assert "title" not in keywords(tool.input_schema) | keywords(tool.output_schema)


async def test_every_tool_only_reads_and_is_open_where_it_says_so():
    for tool in await definitions():
        assert tool.annotations
        assert tool.annotations.read_only_hint is True
        assert tool.annotations.destructive_hint is False
        assert tool.annotations.idempotent_hint is True
        assert tool.annotations.open_world_hint is tool_specs()[tool.name].open_world


@pytest.mark.parametrize("name", TOOLS)
async def test_every_schema_is_valid_in_its_dialect(name: str):
    (tool,) = [tool for tool in await definitions() if tool.name == name]
    full = full_schemas(tool_specs()[name])
    for schema in (tool.input_schema, tool.output_schema, full["input"], full["output"]):
        assert schema is not None
        Draft202012Validator.check_schema(schema)  # pyright: ignore[reportUnknownMemberType]  # untyped library


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
@pytest.mark.parametrize("name", TOOLS)
async def test_a_real_answer_is_valid_against_the_slim_and_the_full_schema(name: str, mode: str):
    async with Client(build_server(), mode=mode) as client:
        await client.list_tools()  # the client checks the answer against the slim schema
        answer = await client.call_tool(name, QUESTIONS[name])
    assert not answer.is_error, answer.content
    full = full_schemas(tool_specs()[name])["output"]
    errors = list(Draft202012Validator(full).iter_errors(answer.structured_content))  # pyright: ignore[reportUnknownMemberType]  # untyped library
    assert errors == []


def test_every_tool_has_a_question_here():
    assert set(QUESTIONS) == set(TOOLS)
