"""Resources are views of the toolbox: the same answers, addressed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, TextResourceContents

from whichweights import resources
from whichweights.app import build_server, lend
from whichweights.registry import ProviderSession, Registry
from whichweights.tool_schemas import full_schemas
from whichweights.toolbox import Toolbox
from whichweights.tools._spec import AnyToolSpec, ToolSpec
from whichweights_schemas.errors import ModelNotFound, Offline, UnknownQuantization
from whichweights_schemas.tools._common import ToolArguments, ToolResult


class Echoed(ToolResult):
    """What was asked."""

    asked: str


class NothingArguments(ToolArguments):
    """No argument."""


class ModelArguments(ToolArguments):
    """A model."""

    model: str


class TagArguments(ToolArguments):
    """A tag."""

    tag: str


async def status(arguments: NothingArguments, session: ProviderSession) -> Echoed:
    return Echoed(asked="devices")


async def describe(arguments: ModelArguments, session: ProviderSession) -> Echoed:
    if arguments.model == "far/away":
        raise Offline("the Hub is not reachable", hint="go online")
    if "/" not in arguments.model:
        raise ModelNotFound("no such model", suggestions=["org/model"])
    return Echoed(asked=arguments.model)


async def decode(arguments: TagArguments, session: ProviderSession) -> Echoed:
    if arguments.tag == "Q99":
        raise UnknownQuantization("no such tag", suggestions=["Q4_K_M"])
    return Echoed(asked=arguments.tag)


def spec(name: str, arguments: type[ToolArguments], run: Any) -> AnyToolSpec:
    return ToolSpec(
        name=name,
        title=name,
        description=name,
        arguments=arguments,
        result=Echoed,
        run=run,
        text=lambda result: result.asked,
    )


SPECS = {
    one.name: one
    for one in (
        spec("gpu_status", NothingArguments, status),
        spec("describe_model", ModelArguments, describe),
        spec("quantize_plan", TagArguments, decode),
    )
}


def client(mode: str = "2026-07-28") -> Client:
    return Client(build_server(lend(Toolbox(Registry(entry_points=()), SPECS))), mode=mode)


async def read(uri: str, mode: str = "2026-07-28") -> Any:
    async with client(mode) as connected:
        (content,) = (await connected.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "application/json"
    return json.loads(content.text)


async def refused(uri: str, mode: str = "2026-07-28") -> MCPError:
    async with client(mode) as connected:
        with pytest.raises(MCPError) as caught:
            await connected.read_resource(uri)
    return caught.value


async def test_resources_and_templates_are_listed():
    async with client() as connected:
        listed = (await connected.list_resources()).resources
        templates = (await connected.list_resource_templates()).resource_templates
    assert [one.uri for one in listed] == ["whichweights://gpus", "whichweights://providers"]
    assert [one.uri_template for one in templates] == [
        "whichweights://schemas/{tool}",
        "whichweights://models/{+id}",
        "whichweights://accelerators/{+name}",
        "whichweights://languages/{tag}",
        "whichweights://quantizations/{+tag}",
        "whichweights://glossary/{term}",
    ]
    assert {one.mime_type for one in (*listed, *templates)} == {"application/json"}


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
@pytest.mark.parametrize(
    ("uri", "asked"),
    [
        ("whichweights://gpus", "devices"),
        ("whichweights://models/org/model", "org/model"),
        ("whichweights://models/org%2Fmodel%20b@main", "org/model b@main"),
        ("whichweights://quantizations/UD-Q4_K_XL", "UD-Q4_K_XL"),
        ("whichweights://quantizations/dir/model-Q4_K_M.gguf", "dir/model-Q4_K_M.gguf"),
    ],
)
async def test_a_resource_is_the_answer_of_its_tool(mode: str, uri: str, asked: str):
    assert (await read(uri, mode))["asked"] == asked


@pytest.mark.parametrize("name", ["pruning", "PRUNING", "structured%20pruning"])
async def test_a_word_of_the_glossary_is_read_by_name_and_alias(name: str):
    assert (await read(f"whichweights://glossary/{name}"))["term"] == "pruning"


async def test_a_schema_resource_is_the_published_schema_of_the_tool():
    published = await read("whichweights://schemas/gpu_status")
    assert published == full_schemas(SPECS["gpu_status"])


async def test_the_providers_resource_is_what_the_registry_says():
    assert await read("whichweights://providers") == []


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
@pytest.mark.parametrize(
    ("uri", "suggestions"),
    [
        ("whichweights://gpu", ["whichweights://gpus"]),
        ("whichweights://schemas/gpu_stats", ["gpu_status"]),
        ("whichweights://models/nobody", ["org/model"]),
        ("whichweights://models/", None),
        ("whichweights://quantizations/Q99", ["Q4_K_M"]),
        ("whichweights://glossary/sparsety", ["sparsity"]),
        ("elsewhere://x", None),
    ],
)
async def test_a_resource_that_does_not_exist_is_invalid_params_with_near_names(
    mode: str, uri: str, suggestions: list[str] | None
):
    error = await refused(uri, mode)
    assert error.code == INVALID_PARAMS
    assert error.data["uri"] == uri
    if suggestions is not None:
        assert error.data["suggestions"][:1] == suggestions


async def test_a_resource_that_cannot_be_read_now_says_why():
    error = await refused("whichweights://models/far/away")
    assert error.code == INTERNAL_ERROR
    assert "the Hub is not reachable" in error.message


@pytest.mark.parametrize(
    "parameter",
    [
        "/etc/passwd",
        "%2Fetc/passwd",
        "a/../../b",
        "a%2F..%2Fb",
        "C:/x",
        "~root/x",
        "a%00b",
        "..%5Cb",
    ],
)
async def test_an_address_cannot_reach_into_the_file_system(parameter: str):
    error = await refused(f"whichweights://models/{parameter}")
    assert error.code == INVALID_PARAMS


@pytest.mark.parametrize(
    ("uri", "hint"),
    [
        ("whichweights://gpus", (1_000, "private")),
        ("whichweights://providers", (1_000, "private")),
        ("whichweights://models/org/model", (60_000, "private")),
        ("whichweights://schemas/gpu_status", (300_000, "public")),
        ("whichweights://quantizations/Q4_K_M", (300_000, "public")),
    ],
)
async def test_each_resource_says_how_long_and_for_whom_it_may_be_cached(
    uri: str, hint: tuple[int, str]
):
    async with client() as connected:
        result = await connected.read_resource(uri)
    assert (result.ttl_ms, result.cache_scope) == hint


@given(st.text(max_size=60))
def test_any_text_is_an_address_of_one_resource_or_of_none(text: str):
    for entry in resources.RESOURCES:
        found = resources.find(entry.prefix + text)
        if entry.is_template and text:
            assert found is entry
        elif text:
            assert found is None
