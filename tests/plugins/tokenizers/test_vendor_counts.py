"""Count endpoints: never asked without a configured key, else in the vendor's own form."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from whichweights.testing import construct
from whichweights_plugins.tokenizers.vendor_counts import VendorCounts
from whichweights_schemas.errors import InvalidArgument, ProviderFailed
from whichweights_schemas.requests import RemoteCountRequest, TokenizerRequest
from whichweights_schemas.tokenizing import Chat

TOOL = {
    "type": "function",
    "function": {"name": "f", "description": "d", "parameters": {"type": "object"}},
}
CHAT = Chat(
    messages=(
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello"},
    ),
    tools=(TOOL,),
)


class Vendor:
    """Answers every request with `answer`; keeps what was asked."""

    def __init__(self) -> None:
        self.answer: tuple[int, bytes] = (200, b'{"input_tokens": 17, "totalTokens": 18}')
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.address = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.asked.append((head[0].split()[1], headers, json.loads(body)))
        status, content = self.answer
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n"
            "Connection: close\r\n\r\n".encode()
            + content
        )
        await writer.drain()
        writer.close()


@pytest.fixture
async def vendor(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Vendor]:
    monkeypatch.setenv("A_KEY", "secret")
    found = Vendor()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield found
    server.close()
    await server.wait_closed()


def provider(vendor: Vendor) -> VendorCounts:
    endpoint = {"key_env": "A_KEY", "address": vendor.address}
    return construct(VendorCounts, {"anthropic": endpoint, "gemini": endpoint})


async def test_without_a_configured_key_nobody_is_asked(monkeypatch: pytest.MonkeyPatch):
    for name in ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.setenv(name, "in the environment, not configured")
    silent = construct(VendorCounts)
    for model in ("claude-sonnet-4-5", "gemini-2.5-pro"):
        assert await silent.count_remotely(RemoteCountRequest(name=model, text="hi")) is None
        step = await silent.how_to_get(TokenizerRequest(name=model))
        assert step
        assert "key_env" in step


async def test_claude_is_asked_in_its_form(vendor: Vendor):
    asked = provider(vendor)
    found = await asked.count_remotely(RemoteCountRequest(name="claude-sonnet-4-5", chat=CHAT))
    assert found
    assert found.tokens == 17
    assert vendor.address in found.notes[0]
    ((path, headers, body),) = vendor.asked
    assert path == "/v1/messages/count_tokens"
    assert headers["x-api-key"] == "secret"
    assert body == {
        "model": "claude-sonnet-4-5",
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "hello"},
        ],
        "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}}],
    }
    await asked.aclose()


async def test_gemini_is_asked_in_its_form(vendor: Vendor):
    asked = provider(vendor)
    found = await asked.count_remotely(RemoteCountRequest(name="google/gemini-2.5-pro", chat=CHAT))
    assert found
    assert found.tokens == 18
    ((path, headers, body),) = vendor.asked
    assert path == "/v1beta/models/gemini-2.5-pro:countTokens"
    assert headers["x-goog-api-key"] == "secret"
    request = body["generateContentRequest"]
    assert [turn["role"] for turn in request["contents"]] == ["user", "model"]
    assert request["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert request["tools"][0]["functionDeclarations"][0]["name"] == "f"
    await asked.aclose()


async def test_a_text_is_one_turn_of_the_user(vendor: Vendor):
    asked = provider(vendor)
    await asked.count_remotely(RemoteCountRequest(name="claude-opus-4-1", text="hello"))
    assert vendor.asked[0][2]["messages"] == [{"role": "user", "content": "hello"}]
    await asked.aclose()


@pytest.mark.parametrize(
    "answer",
    [
        (401, b"{}"),
        (302, b""),
        (200, b"not json"),
        (200, b"[]"),
        (200, b'{"input_tokens": "many"}'),
        (200, b'{"input_tokens": -1}'),
        (200, b" " * 200_000),
    ],
)
async def test_a_strange_answer_is_a_failure_that_names_no_key(
    vendor: Vendor, answer: tuple[int, bytes]
):
    vendor.answer = answer
    asked = provider(vendor)
    with pytest.raises(ProviderFailed) as caught:
        await asked.count_remotely(RemoteCountRequest(name="claude-opus-4-1", text="hello"))
    assert "secret" not in f"{caught.value.message}{caught.value.hint}"
    await asked.aclose()


async def test_an_empty_key_is_named_by_its_variable(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("A_KEY")
    with pytest.raises(ProviderFailed, match="A_KEY"):
        await provider(vendor).count_remotely(RemoteCountRequest(name="claude-opus-4-1", text="x"))
    assert vendor.asked == []


async def test_what_the_endpoint_does_not_count_is_not_sent(vendor: Vendor):
    chat = Chat(messages=({"role": "tool", "content": "x"},))
    with pytest.raises(InvalidArgument):
        await provider(vendor).count_remotely(RemoteCountRequest(name="claude-opus-4-1", chat=chat))
    assert vendor.asked == []


async def test_other_models_are_left_alone(vendor: Vendor):
    for name in ("gpt-4o", "qwen3", "gemma-3-27b-it"):
        assert (
            await provider(vendor).count_remotely(RemoteCountRequest(name=name, text="x")) is None
        )
    assert vendor.asked == []
