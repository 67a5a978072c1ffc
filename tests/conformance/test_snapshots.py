"""Snapshots: what tools/list says of each tool, and one real answer of each.

They stand in tests/data/golden/; `pytest tests/conformance --update` writes what the product says
now: read the diff before committing it. A definition costs every conversation tokens, an answer is
read by people and by programs: neither may change unseen.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from mcp import Client

from whichweights.app import build_server
from whichweights.tool_schemas import full_schemas
from whichweights.tools import tool_specs

GOLDEN = Path(__file__).parents[1] / "data" / "golden"

# Answerable without network and the same on every machine: all hardware is named.
QUESTIONS: dict[str, dict[str, Any]] = {
    "recommend_model": {"task": "coding", "accelerators": ["RTX 4090"]},
    "estimate_vram": {
        "model": "Qwen/Qwen3-32B",
        "context_tokens": 32_768,
        "accelerators": ["RTX 4090"],
    },
    "quantize_plan": {"model": "Qwen/Qwen3-32B", "accelerators": ["RTX 4090"]},
    "check_language_coverage": {
        "model": "meta-llama/Llama-3.1-8B-Instruct",
        "languages": ["de"],
        "context_tokens": 32_768,
    },
    "count_tokens": {
        "models": ["gpt-4o"],
        "messages": [{"role": "user", "content": "How many tokens is this?"}],
    },
    "describe_model": {"model": "deepseek-ai/DeepSeek-V3"},
    "gpu_status": {"accelerators": ["RTX 4090", "M3 Max 64GB"]},
}
ERRORS: dict[str, tuple[str, dict[str, Any]]] = {
    "ambiguous_model": ("estimate_vram", {"model": "qwen 32b"}),
    "model_not_found": ("describe_model", {"model": "qwem3 32b"}),
    "unsupported_architecture": ("estimate_vram", {"model": "gpt-4o"}),
    "unknown_argument": ("estimate_vram", {"model": "7B", "contxt_tokens": 1}),
    "absurd_value": ("estimate_vram", {"model": "7B", "context_tokens": 10**12}),
    "unknown_accelerator": ("gpu_status", {"accelerators": ["RTX 4091"]}),
    "unknown_language": ("check_language_coverage", {"model": "7B", "languages": ["xx"]}),
    "unknown_quantization": ("quantize_plan", {"tag": "Q9_Z"}),
    "no_tokenizer": ("count_tokens", {"models": ["7B"], "text": "x"}),
}
# Of the moment or of the machine.
_VOLATILE = frozenset({"read_at"})


def test_every_tool_has_its_question() -> None:
    assert set(QUESTIONS) == set(tool_specs())


def agree(name: str, now: object, *, update: bool) -> None:
    """The snapshot says the same as the product, or is written anew."""
    path = GOLDEN / f"{name}.json"
    text = json.dumps(now, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    if update:
        GOLDEN.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, f"{name}: `--update` shows the difference"


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update"))


@pytest.mark.parametrize("name", tuple(QUESTIONS))
async def test_the_definition_of_a_tool_is_as_agreed(name: str, update: bool) -> None:
    async with Client(build_server()) as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
    wire = listed[name].model_dump(mode="json", by_alias=True, exclude_none=True)
    agree(f"{name}.definition", wire, update=update)


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
@pytest.mark.parametrize("name", tuple(QUESTIONS))
async def test_a_real_answer_is_as_agreed_in_both_eras(name: str, mode: str, update: bool) -> None:
    async with Client(build_server(), mode=mode) as client:
        await client.list_tools()  # the client checks the answer against the slim schema
        answer = await client.call_tool(name, QUESTIONS[name])
    assert not answer.is_error
    assert answer.structured_content is not None
    full = full_schemas(tool_specs()[name])["output"]
    problems = list(Draft202012Validator(full).iter_errors(answer.structured_content))  # pyright: ignore[reportUnknownMemberType]  # untyped library
    assert problems == []
    structured = {k: v for k, v in answer.structured_content.items() if k not in _VOLATILE}
    text = [block.model_dump()["text"] for block in answer.content]
    asked = {"question": QUESTIONS[name], "structured": structured, "text": text}
    agree(f"{name}.answer", asked, update=update)


async def test_refusals_are_as_agreed(update: bool) -> None:
    said: dict[str, object] = {}
    async with Client(build_server()) as client:
        for case, (tool, question) in ERRORS.items():
            answer = await client.call_tool(tool, question)
            assert answer.is_error, case
            (block,) = answer.content
            said[case] = {"structured": answer.structured_content, **block.model_dump()}
    agree("refusals", said, update=update)


def test_no_snapshot_is_left_over() -> None:
    wanted = {f"{name}.{kind}" for name in QUESTIONS for kind in ("definition", "answer")}
    assert {path.stem for path in GOLDEN.glob("*.json")} == wanted | {"refusals"}
