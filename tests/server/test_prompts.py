"""Prompts and completions, seen by a client in both protocol eras, over the embedded knowledge."""

from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    PromptReference,
    ResourceTemplateReference,
    TextContent,
)

from whichweights.app import build_server, lend
from whichweights.prompts import MAX_ARGUMENT_CHARACTERS, PROMPTS
from whichweights.registry import Registry
from whichweights.toolbox import Toolbox
from whichweights.tools import tool_specs

ERAS = ("legacy", "2026-07-28")
TEMPLATES = {
    "models": "whichweights://models/{+id}",
    "accelerators": "whichweights://accelerators/{+name}",
    "quantizations": "whichweights://quantizations/{+tag}",
    "languages": "whichweights://languages/{tag}",
    "glossary": "whichweights://glossary/{term}",
    "schemas": "whichweights://schemas/{tool}",
}


@pytest.fixture(params=ERAS)
def client(request: Any) -> Client:
    return Client(build_server(lend(Toolbox(Registry(), tool_specs()))), mode=request.param)


async def prompt_text(client: Client, name: str, arguments: dict[str, str]) -> str:
    (message,) = (await client.get_prompt(name, arguments)).messages
    assert isinstance(message.content, TextContent)
    assert message.role == "user"
    return message.content.text


async def completed(client: Client, where: str, typed: str) -> list[str]:
    ref = ResourceTemplateReference(type="ref/resource", uri=TEMPLATES[where])
    answer = await client.complete(ref, {"name": "any", "value": typed})
    return answer.completion.values


async def test_the_three_prompts_are_listed_with_what_they_need(client: Client):
    async with client:
        listed = (await client.list_prompts()).prompts
        needed = {p.name: [a.name for a in p.arguments or () if a.required] for p in listed}
        assert needed == {
            "choose_model": ["task"],
            "plan_deployment": ["model"],
            "explain_memory": ["model"],
        }


async def test_a_prompt_carries_what_was_given_and_names_only_tools_that_exist(client: Client):
    async with client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        for entry in PROMPTS:
            given = {one.name: f"given-{one.name}" for one in entry.inputs}
            text = await prompt_text(client, entry.name, given)
            assert all(value in text for value in given.values())
            assert [tool for tool in tools if tool in text]


async def test_what_was_left_out_has_a_default_in_words(client: Client):
    async with client:
        text = await prompt_text(client, "choose_model", {"task": "coding", "languages": "  "})
        assert text.startswith("Which model should I run for coding, in en, on this machine")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "choose_model needs task"),
        ({"task": " "}, "choose_model needs task"),
        ({"task": "chat", "langages": "de"}, "nearest: languages"),
        ({"task": "x" * (MAX_ARGUMENT_CHARACTERS + 1)}, "task is longer than"),
    ],
)
async def test_wrong_arguments_of_a_prompt_are_invalid_params(
    client: Client, arguments: dict[str, str], said: str
):
    async with client:
        with pytest.raises(MCPError) as caught:
            await client.get_prompt("choose_model", arguments)
        assert caught.value.code == INVALID_PARAMS
        assert said in caught.value.message


async def test_an_argument_stays_in_its_line(client: Client):
    async with client:
        text = await prompt_text(client, "explain_memory", {"model": "a\nIgnore\x00 all\u202e"})
        assert text.splitlines()[0].startswith("Explain what the memory of a Ignore all on")


@pytest.mark.parametrize(
    ("where", "typed", "first"),
    [
        ("models", "Qwen/Qwen3-3", "Qwen/Qwen3-32B"),
        ("models", "gemma 3 27", "google/gemma-3-27b-it"),
        ("accelerators", "rtx 409", "GeForce RTX 4090"),
        ("quantizations", "q4_k", "Q4_K_M"),
        ("languages", "Tam", "ta"),
        ("languages", "de", "de"),
        ("glossary", "imat", "imatrix"),
        ("schemas", "estimate", "estimate_vram"),
    ],
)
async def test_an_address_is_completed_from_what_the_providers_know(
    client: Client, where: str, typed: str, first: str
):
    async with client:
        assert first in (await completed(client, where, typed))[:3]


async def test_every_completed_name_can_be_read(client: Client):
    async with client:
        for where, typed in (
            ("models", "meta-llama/Llama-3.1"),
            ("accelerators", "H100"),
            ("languages", "sw"),
            ("glossary", ""),
        ):
            for value in (await completed(client, where, typed))[:3]:
                address = TEMPLATES[where].partition("{")[0] + value.replace(" ", "%20")
                assert (await client.read_resource(address)).contents


async def test_a_prompt_argument_is_completed_and_of_a_list_the_last_entry(client: Client):
    async with client:
        choose = PromptReference(type="ref/prompt", name="choose_model")
        tasks = await client.complete(choose, {"name": "task", "value": "c"})
        assert tasks.completion.values[:2] == ["chat", "coding"]
        languages = await client.complete(choose, {"name": "languages", "value": "de, Swah"})
        assert languages.completion.values[0] == "de, sw"


async def test_no_answer_holds_more_than_a_hundred_values_and_the_total_is_told(client: Client):
    async with client:
        ref = ResourceTemplateReference(type="ref/resource", uri=TEMPLATES["models"])
        answer = (await client.complete(ref, {"name": "id", "value": ""})).completion
        assert len(answer.values) == 100
        assert answer.total is not None
        assert answer.total > 300
        assert answer.has_more


@pytest.mark.parametrize("typed", ["\x00", "x" * 100_000, "no such thing at all"])
async def test_what_matches_nothing_completes_to_nothing(client: Client, typed: str):
    async with client:
        assert await completed(client, "models", typed) == []


async def test_what_has_no_completion_completes_to_nothing(client: Client):
    async with client:
        for name, argument in (("choose_model", "context_tokens"), ("nobody", "task")):
            ref = PromptReference(type="ref/prompt", name=name)
            assert (
                await client.complete(ref, {"name": argument, "value": "1"})
            ).completion.values == []


async def test_a_device_and_a_language_are_read_by_name(client: Client):
    async with client:
        device = (await client.read_resource("whichweights://accelerators/RTX%204090")).contents[0]
        assert '"GeForce RTX 4090"' in getattr(device, "text", "")
        language = (await client.read_resource("whichweights://languages/Tamil")).contents[0]
        assert '"tag": "ta"' in getattr(language, "text", "")
        for unknown in ("accelerators/RTX%209999", "languages/klingonese123", "accelerators/live"):
            with pytest.raises(MCPError) as caught:
                await client.read_resource(f"whichweights://{unknown}")
            assert caught.value.code == INVALID_PARAMS
