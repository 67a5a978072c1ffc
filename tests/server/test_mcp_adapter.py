"""The MCP face of a toolbox, seen by the SDK's own client in both protocol eras."""

import logging
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, TextContent
from pydantic import Field

import whichweights
from whichweights.app import INSTRUCTIONS, build_server, lend
from whichweights.mcp_adapter import LIST_TTL_MS, WhichweightsServer
from whichweights.registry import ProviderSession, Registry
from whichweights.toolbox import Toolbox
from whichweights.tools import tool_specs
from whichweights.tools._spec import AnyToolSpec, ToolSpec
from whichweights_schemas.errors import ModelNotFound
from whichweights_schemas.tools._common import ToolArguments, ToolResult

ERAS = ("auto", "legacy", "2026-07-28")


class WeighArguments(ToolArguments):
    """What to weigh."""

    model: str = Field(description="A model")
    copies: int = 1


class WeighResult(ToolResult):
    """What it weighs."""

    total_gib: float


async def weigh(arguments: WeighArguments, session: ProviderSession) -> WeighResult:
    if arguments.model == "nobody/knows":
        raise ModelNotFound("no model of that name", field="model", hint="try describe_model")
    return WeighResult(total_gib=2.5 * arguments.copies)


def spec(
    name: str = "weigh_model",
    run: Callable[[WeighArguments, ProviderSession], Awaitable[WeighResult]] = weigh,
) -> AnyToolSpec:
    return ToolSpec(
        name=name,
        title="Weigh a model",
        description="How heavy a model is.",
        arguments=WeighArguments,
        result=WeighResult,
        run=run,
        text=lambda result: f"It weighs {result.total_gib} GiB.",
    )


def toolbox(*specs: AnyToolSpec) -> Toolbox:
    chosen = specs or (spec(),)
    return Toolbox(Registry(entry_points=()), {one.name: one for one in chosen})


def connected(mode: str = "auto", *specs: AnyToolSpec) -> Client:
    return Client(build_server(lend(toolbox(*specs))), mode=mode)


each_era = pytest.mark.parametrize("mode", ERAS)


@each_era
async def test_a_tool_is_listed_with_slim_schemas_and_true_hints(mode: str):
    async with connected(mode) as client:
        (tool,) = (await client.list_tools()).tools
        assert tool.model_dump(exclude_none=True, by_alias=True) == {
            "name": "weigh_model",
            "title": "Weigh a model",
            "description": "How heavy a model is.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "model": {"type": "string", "description": "A model"},
                    "copies": {"type": "integer", "default": 1},
                },
                "required": ["model"],
                "additionalProperties": False,
            },
            "outputSchema": {
                "type": "object",
                "properties": {
                    "warnings": {"type": "array", "items": {"type": "string"}},
                    "evidence": {"type": "array", "items": {"type": "object"}},
                    "unknown": {"type": "array", "items": {"type": "object"}},
                    "providers": {"type": "array", "items": {"type": "object"}},
                    "total_gib": {"type": "number"},
                },
            },
            "annotations": {
                "readOnlyHint": True,
                "destructiveHint": False,
                "idempotentHint": True,
                "openWorldHint": False,
            },
        }


@each_era
async def test_an_answer_carries_the_text_and_the_structured_result(mode: str):
    async with connected(mode) as client:
        answer = await client.call_tool("weigh_model", {"model": "a", "copies": 2})
        assert not answer.is_error
        assert answer.content == [TextContent(type="text", text="It weighs 5.0 GiB.")]
        assert answer.structured_content == {
            "warnings": [],
            "evidence": [],
            "unknown": [],
            "providers": [],
            "total_gib": 5.0,
        }


@each_era
async def test_an_error_of_the_caller_is_a_tool_result_the_client_accepts(mode: str):
    async with connected(mode) as client:
        await (
            client.list_tools()
        )  # now the client knows the output schema, which an error does not fit
        answer = await client.call_tool("weigh_model", {"model": "nobody/knows"})
        assert answer.is_error
        assert answer.structured_content == {
            "code": "model_not_found",
            "message": "no model of that name",
            "field": "model",
            "hint": "try describe_model",
        }


@each_era
async def test_an_unknown_argument_names_the_nearest_one(mode: str):
    async with connected(mode) as client:
        answer = await client.call_tool("weigh_model", {"model": "a", "copys": 2})
        assert answer.is_error
        assert answer.structured_content is not None
        assert answer.structured_content["code"] == "invalid_argument"
        assert answer.structured_content["suggestions"] == ["copies"]


@each_era
async def test_an_unknown_tool_is_a_protocol_error_with_the_nearest_names(mode: str):
    async with connected(mode) as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool("weigh_modle", {})
        assert caught.value.code == INVALID_PARAMS
        assert caught.value.message == "unknown tool: weigh_modle; nearest: weigh_model"
        assert caught.value.data == {"suggestions": ["weigh_model"]}


@each_era
async def test_a_huge_tool_name_is_not_echoed_whole(mode: str):
    async with connected(mode) as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool("x" * 1_000_000, {})
        assert caught.value.code == INVALID_PARAMS
        assert len(caught.value.message) < 200


@each_era
async def test_an_unknown_prompt_is_a_protocol_error(mode: str):
    async with connected(mode) as client:
        with pytest.raises(MCPError) as caught:
            await client.get_prompt("choose_modle")
        assert caught.value.code == INVALID_PARAMS


async def test_the_server_says_who_it_is_and_how_to_use_it():
    async with connected("legacy") as client:
        assert client.server_info is not None
        assert client.server_info.name == "whichweights"
        assert client.server_info.version == whichweights.__version__
        assert client.instructions == INSTRUCTIONS


async def test_lists_may_be_cached_by_anybody_for_five_minutes():
    async with connected("2026-07-28") as client:
        for listed in (
            await client.list_tools(),
            await client.list_prompts(),
            await client.list_resources(),
            await client.list_resource_templates(),
        ):
            assert (listed.ttl_ms, listed.cache_scope) == (LIST_TTL_MS, "public")


def test_the_instructions_are_short_and_name_the_tools_that_exist():
    assert len(INSTRUCTIONS.encode()) <= 1_500
    named = set(re.findall(r"\b[a-z]+_[a-z_]+\b", INSTRUCTIONS))
    assert named == set(tool_specs())


@each_era
async def test_the_toolbox_is_opened_once_and_closed_with_the_server(mode: str):
    events = list[str]()

    @asynccontextmanager
    async def opener() -> AsyncGenerator[Toolbox]:
        events.append("open")
        yield toolbox()
        events.append("closed")

    async with Client(build_server(opener), mode=mode) as client:
        await client.call_tool("weigh_model", {"model": "a"})
        await client.call_tool("weigh_model", {"model": "b"})
        assert events == ["open"]
    assert events == ["open", "closed"]


async def test_two_connections_to_one_server_do_not_disturb_each_other():
    server = build_server(lend(toolbox()))
    async with Client(server) as first:
        async with Client(server) as second:
            await second.call_tool("weigh_model", {"model": "a"})
        assert [tool.name for tool in (await first.list_tools()).tools] == ["weigh_model"]
        assert not (await first.call_tool("weigh_model", {"model": "a"})).is_error


async def test_a_cancelled_call_stops_the_tool():
    started, stopped = anyio.Event(), anyio.Event()

    async def wait(arguments: WeighArguments, session: ProviderSession) -> WeighResult:
        started.set()
        try:
            await anyio.sleep_forever()
        finally:
            stopped.set()
        return WeighResult(total_gib=0)

    with anyio.fail_after(5):
        async with connected("auto", spec("wait", wait)) as client:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.call_tool, "wait", {"model": "a"})
                await started.wait()
                tasks.cancel_scope.cancel()
            await stopped.wait()


async def test_what_callers_write_is_not_logged(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    secret = "very-private-words"
    async with connected("legacy") as client:
        await client.call_tool("weigh_model", {"model": secret, secret: 1})
        with pytest.raises(MCPError):
            await client.call_tool(secret, {})
        with pytest.raises(MCPError):
            await client.read_resource(f"whichweights://models/{secret}")
    assert secret not in caplog.text


def test_the_server_object_is_an_sdk_server():
    assert isinstance(build_server(lend(toolbox())), WhichweightsServer)
