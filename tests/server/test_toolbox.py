"""One toolbox, the same answer by every door; nothing a caller writes makes it raise."""

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from mcp import Client
from mcp_types import TextContent

from whichweights.app import build_server, lend
from whichweights.registry import ProviderSession, Registry
from whichweights.tool_schemas import full_schemas, input_schema
from whichweights.toolbox import ToolAnswer, Toolbox, UnknownTool, error_answer
from whichweights.tools import tool_specs
from whichweights.tools._spec import ToolSpec
from whichweights_schemas import errors
from whichweights_schemas.errors import InvalidArgument, ModelNotFound, WhichweightsError
from whichweights_schemas.tools._common import ToolArguments, ToolResult

SECONDS = 20
LONGEST_ERROR = 600
DEFAULT_ANSWER_TOKENS = 1_500
TEXT_WORDS = 140
CODES = {
    member.code
    for member in vars(errors).values()
    if isinstance(member, type) and issubclass(member, WhichweightsError)
}

# One real question a tool, answerable on any machine, its answer the same every time.
QUESTIONS: dict[str, dict[str, Any]] = {
    "recommend_model": {"task": "coding", "accelerators": "RTX 4090"},
    "estimate_vram": {
        "model": "qwen3 32b",
        "context_tokens": "32k",
        "accelerators": "RTX 4090",
    },
    "quantize_plan": {"model": "llama 3.1 8b", "accelerators": "RTX 4090"},
    "check_language_coverage": {"model": "llama 3.1 8b", "languages": ["de", "sw"]},
    "count_tokens": {"models": ["gpt-4o", "cl100k_base"], "text": "How many tokens?"},
    "describe_model": {"model": "qwen3 30b a3b"},
    "gpu_status": {"accelerators": "2x RTX 4090"},
}
each_tool = pytest.mark.parametrize("name", tuple(QUESTIONS))


def the_same(answer: dict[str, Any]) -> dict[str, Any]:
    """Without the moment it was read at."""
    return {name: value for name, value in answer.items() if name != "read_at"}


def test_every_tool_is_asked_here():
    assert set(QUESTIONS) == set(tool_specs())


@each_tool
async def test_method_call_and_wire_give_the_same_answer(tools: Toolbox, name: str):
    result = await getattr(tools, name)(**QUESTIONS[name])
    called = await tools.call(name, QUESTIONS[name])
    assert not called.is_error, called.text
    assert the_same(called.structured) == the_same(result.model_dump(mode="json"))
    for mode in ("legacy", "2026-07-28"):
        async with Client(build_server(lend(tools)), mode=mode) as client:
            wired = await client.call_tool(name, QUESTIONS[name])
        assert wired.structured_content is not None
        assert the_same(wired.structured_content) == the_same(called.structured)
        assert wired.content == [TextContent(type="text", text=called.text)]


@each_tool
async def test_the_same_question_twice_has_the_same_answer(tools: Toolbox, name: str):
    first, second = [await tools.call(name, QUESTIONS[name]) for _ in range(2)]
    assert the_same(first.structured) == the_same(second.structured)
    assert first.text == second.text


@each_tool
async def test_an_answer_has_the_fields_all_answers_share(tools: Toolbox, name: str):
    answer = (await tools.call(name, QUESTIONS[name])).structured
    for entry in answer["evidence"]:
        assert entry["fields"], entry
        assert entry["source"]
        assert entry["basis"] in ("exact", "computed", "fitted", "published", "prior", "assumed")
    for entry in answer["unknown"]:
        assert entry["field"]
        assert entry["reason"]
    assert answer["providers"]
    assert {p["status"] for p in answer["providers"]} <= {
        "answered",
        "unavailable",
        "failed",
        "timeout",
    }
    assert len(set(answer["warnings"])) == len(answer["warnings"])
    merged = [(e["basis"], e["source"], e.get("date"), e.get("note")) for e in answer["evidence"]]
    assert len(set(merged)) == len(merged)


@each_tool
async def test_an_answer_costs_few_tokens_and_its_text_is_short(tools: Toolbox, name: str):
    answer = await tools.call(name, QUESTIONS[name])
    wire = json.dumps(answer.structured, ensure_ascii=False, separators=(",", ":"))
    counted = await tools.count_tokens(models="o200k_base", text=wire + answer.text)
    assert counted.counts[0].tokens is not None
    assert counted.counts[0].tokens <= DEFAULT_ANSWER_TOKENS
    assert 3 <= len(answer.text.split()) <= TEXT_WORDS


async def test_a_refusal_raises_by_method_and_is_an_answer_by_call(tools: Toolbox):
    with pytest.raises(ModelNotFound) as caught:
        await tools.estimate_vram(model="nobody knows this")
    answer = await tools.call("estimate_vram", {"model": "nobody knows this"})
    assert answer.is_error
    assert answer.structured == caught.value.detail()
    assert answer.text.startswith("model_not_found: no model is known as “nobody knows this”")


async def test_an_unknown_tool_names_the_nearest(tools: Toolbox):
    with pytest.raises(UnknownTool) as caught:
        await tools.call("estimate_vrm", {})
    assert caught.value.suggestions[0] == "estimate_vram"
    with pytest.raises(UnknownTool) as caught:
        await tools.call("x" * 1_000_000, {})
    assert caught.value.suggestions == ()


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            InvalidArgument("a is 1", field="a", hint="say 2", suggestions=("2", "3")),
            "invalid_argument: a is 1. Say 2",
        ),
        (
            InvalidArgument("a is 1", hint="take one", suggestions=("2", "3")),
            "invalid_argument: a is 1. Take one (2, 3)",
        ),
        (
            InvalidArgument("a is 1", hint="describe_model knows"),
            "invalid_argument: a is 1. describe_model knows",
        ),
        (
            InvalidArgument("many", suggestions=[str(n) for n in range(100, 120)]),
            "invalid_argument: many (100, 101, 102, 103, 104, 105)",
        ),
    ],
)
def test_an_error_is_one_line_with_its_code_first(error: WhichweightsError, text: str):
    assert error_answer(error) == ToolAnswer(dict(error.detail()), text, is_error=True)


def test_what_a_caller_wrote_cannot_move_the_cursor():
    error = InvalidArgument("two\nlines \x1b[2J\u202e", field="a\ud800", suggestions=["\x00"])
    answer = error_answer(error)
    assert answer.text == "invalid_argument: two lines \ufffd[2J\ufffd (\ufffd)"
    assert answer.structured == {
        "code": "invalid_argument",
        "message": "two lines \ufffd[2J\ufffd",
        "field": "a\ufffd",
        "suggestions": ["\ufffd"],
    }


class OneArgument(ToolArguments):
    """One word."""

    word: str = ""


class NoFields(ToolResult):
    """Nothing but what all results have."""


def with_tool(run: Callable[[OneArgument, ProviderSession], Awaitable[NoFields]]) -> Toolbox:
    spec = ToolSpec(
        name="broken",
        title="Broken",
        description="Breaks.",
        arguments=OneArgument,
        result=NoFields,
        run=run,
        text=lambda result: "fine",
    )
    return Toolbox(Registry(entry_points=()), {"broken": spec})


async def test_a_defect_of_ours_is_an_answer_that_keeps_what_the_caller_wrote(
    caplog: pytest.LogCaptureFixture,
):
    async def run(arguments: OneArgument, session: ProviderSession) -> NoFields:
        raise RuntimeError(f"secret {arguments.word}")

    answer = await with_tool(run).call("broken", {"word": "very-private"})
    assert answer.is_error
    assert answer.structured["code"] == "internal_error"
    assert "RuntimeError" in answer.text
    assert "very-private" not in answer.text + str(answer.structured) + caplog.text
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_a_cancelled_call_is_not_an_answer():
    async def run(arguments: OneArgument, session: ProviderSession) -> NoFields:
        await anyio.sleep_forever()
        return NoFields()

    with anyio.move_on_after(0.01) as scope:
        await with_tool(run).call("broken", {})
    assert scope.cancelled_caught


words = st.sampled_from(
    [
        "live", "RTX 4090", "2x H100", "24GiB", "64GiB RAM", "0x A100", "llama 3.1 8b", "qwen 32b",
        "gpt-4o", "7B", "8x7B", "Q4_K_M", "native", "FP8", "de", "Klingon", "auto", "vLLM", "32k",
        "o200k_base", "chat", "[]", '["de"]', "{}", "", " ", "\x00", "\ud800", "é" * 400, "-1",
        "ollama:llama3", "./a.gguf", "a@b", "@", "x" * 1_000_000,
    ]
)  # fmt: skip
scalars = st.none() | st.booleans() | st.integers() | st.floats() | words | st.text(max_size=12)
values: st.SearchStrategy[Any] = scalars | st.lists(scalars, max_size=4) | st.dictionaries(
    st.text(max_size=6), scalars, max_size=3
)  # fmt: skip


def guesses(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """Arguments from sensible to absurd; half of the examples change one good question."""
    schema = input_schema(tool_specs()[name])["properties"]
    fields = st.sampled_from([*schema, "models", "optoins", "\ud800", ""])
    wild = st.dictionaries(fields, values, max_size=4)
    return wild | wild.map(lambda changed: {**QUESTIONS[name], **changed})


# The toolbox keeps nothing of a call, so that one may serve all examples of a test.
@each_tool
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_whatever_is_asked_there_is_an_answer_in_time(
    tools: Toolbox, name: str, data: st.DataObject
):
    arguments = data.draw(guesses(name))
    with anyio.fail_after(SECONDS):
        answer = await tools.call(name, arguments)
    json.dumps(answer.structured, ensure_ascii=False, allow_nan=False).encode("utf-8")
    answer.text.encode("utf-8")
    if answer.is_error:
        assert answer.structured["code"] in CODES - {"error"}
        assert answer.structured["hint"]
        assert len(answer.text) <= LONGEST_ERROR
        assert answer.text.isprintable()
        assert answer.text.startswith(answer.structured["code"])
    else:
        full = full_schemas(tool_specs()[name])["output"]
        problems = list(Draft202012Validator(full).iter_errors(answer.structured))  # pyright: ignore[reportUnknownMemberType]  # untyped library
        assert problems == []
