"""Count endpoints of closed models: asked only when the operator configured the vendor's key.

Claude and Gemini publish no tokenizer. This is the one place where the user's text leaves the
machine; without a key in the configuration no request is ever made.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from whichweights_schemas.errors import InvalidArgument, ProviderFailed
from whichweights_schemas.providers import ProviderContext, Settings, TokenizerProvider
from whichweights_schemas.requests import RemoteCountRequest, TokenizerRequest
from whichweights_schemas.tokenizing import Chat, RemoteCount, Tokenizer

if TYPE_CHECKING:
    import httpx2

_TIMEOUT_SECONDS = 8.0
_MAX_ANSWER_BYTES = 100_000
_TEXT_ROLES = ("system", "user", "assistant")
_ANTHROPIC_VERSION = "2023-06-01"


class Endpoint(BaseModel):
    """One vendor: the environment variable that holds the key, and the address."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key_env: str = Field(min_length=1, description="Environment variable with the API key")
    address: str | None = Field(default=None, pattern=r"^https?://[^/\s]+")


class VendorCountsSettings(Settings):
    """Both off until configured: `anthropic = { key_env = "ANTHROPIC_API_KEY" }`."""

    anthropic: Endpoint | None = None
    gemini: Endpoint | None = None


class VendorCounts(TokenizerProvider[VendorCountsSettings]):
    """Counts of Claude and Gemini models by their makers."""

    settings_model = VendorCountsSettings

    def __init__(self, context: ProviderContext[VendorCountsSettings]) -> None:
        super().__init__(context)
        self._client: httpx2.AsyncClient | None = None

    async def tokenizer(self, request: TokenizerRequest) -> Tokenizer | None:
        return None

    async def how_to_get(self, request: TokenizerRequest) -> str | None:
        vendor = _vendor_of(request.name)
        if vendor is None:
            return None
        variable = {"anthropic": "ANTHROPIC_API_KEY", "gemini": "GEMINI_API_KEY"}[vendor]
        return (
            f'{vendor} = {{ key_env = "{variable}" }} in [providers.{self.name}] has the vendor '
            "count; the text is sent to it"
        )

    async def count_remotely(self, request: RemoteCountRequest) -> RemoteCount | None:
        vendor = _vendor_of(request.name)
        endpoint = {"anthropic": self.settings.anthropic, "gemini": self.settings.gemini}.get(
            vendor or ""
        )
        if endpoint is None:
            return None
        key = os.environ.get(endpoint.key_env)
        if not key:
            raise ProviderFailed(
                f"{endpoint.key_env} is configured as the key of {vendor} and is empty",
                hint="set the variable where the server starts",
            )
        chat = request.chat or Chat(messages=({"role": "user", "content": request.text or ""},))
        model = request.name.rpartition("/")[2]
        if vendor == "anthropic":
            address = endpoint.address or "https://api.anthropic.com"
            headers = {"x-api-key": key, "anthropic-version": _ANTHROPIC_VERSION}
            url, body, field = (
                f"{address}/v1/messages/count_tokens",
                _anthropic(model, chat),
                "input_tokens",
            )
        else:
            address = endpoint.address or "https://generativelanguage.googleapis.com"
            headers = {"x-goog-api-key": key}
            url, body, field = (
                f"{address}/v1beta/models/{model}:countTokens",
                _gemini(model, chat),
                "totalTokens",
            )
        answer = await self._post(url, headers, body)
        tokens = answer.get(field)
        if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 0:
            raise ProviderFailed(f"{address} answered without {field}")
        return RemoteCount(
            tokens=tokens,
            source=f"count endpoint {address}",
            notes=(f"the text was sent to {address} to be counted for {request.name}",),
        )

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _post(
        self, url: str, headers: Mapping[str, str], body: dict[str, Any]
    ) -> dict[str, Any]:
        import httpx2

        if self._client is None:
            self._client = httpx2.AsyncClient(timeout=_TIMEOUT_SECONDS, follow_redirects=False)
        host = url.partition("//")[2].partition("/")[0]
        try:
            reply = await self._client.post(url, headers=dict(headers), json=body)
        except httpx2.HTTPError as error:
            raise ProviderFailed(f"{host} cannot be asked ({type(error).__name__})") from error
        if reply.status_code != 200 or len(reply.content) > _MAX_ANSWER_BYTES:
            raise ProviderFailed(f"{host} answered with status {reply.status_code}")
        try:
            answer: Any = reply.json()
        except ValueError:
            raise ProviderFailed(f"{host} did not answer with JSON") from None
        return answer if isinstance(answer, dict) else {}  # pyright: ignore[reportUnknownVariableType]  # any JSON


def _vendor_of(name: str) -> str | None:
    model = name.strip().lower().rpartition("/")[2]
    if model.startswith("claude"):
        return "anthropic"
    return "gemini" if model.startswith("gemini") else None


def _anthropic(model: str, chat: Chat) -> dict[str, Any]:
    """Body of POST /v1/messages/count_tokens; platform.claude.com, read 2026-11."""
    turns = [(role, text) for role, text in _turns(chat) if role != "system"]
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": role, "content": text} for role, text in turns],
    }
    system = _system(chat)
    if system:
        body["system"] = system
    if chat.tools:
        body["tools"] = [
            {
                "name": function.get("name", ""),
                "description": function.get("description", ""),
                "input_schema": function.get("parameters") or {"type": "object"},
            }
            for function in map(_function, chat.tools)
        ]
    return body


def _gemini(model: str, chat: Chat) -> dict[str, Any]:
    """Body of POST models/{model}:countTokens; ai.google.dev/api/tokens, read 2026-11."""
    names = {"user": "user", "assistant": "model"}
    request: dict[str, Any] = {
        "model": f"models/{model}",
        "contents": [
            {"role": names[role], "parts": [{"text": text}]}
            for role, text in _turns(chat)
            if role in names
        ],
    }
    system = _system(chat)
    if system:
        request["systemInstruction"] = {"parts": [{"text": system}]}
    if chat.tools:
        declarations = [
            {k: v for k, v in _function(t).items() if k in ("name", "description", "parameters")}
            for t in chat.tools
        ]
        request["tools"] = [{"functionDeclarations": declarations}]
    return {"generateContentRequest": request}


def _turns(chat: Chat) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for place, message in enumerate(chat.messages):
        role, content = message.get("role"), message.get("content")
        if role not in _TEXT_ROLES or not isinstance(content, str):
            raise InvalidArgument(
                f"messages.{place} is no text of system, user or assistant",
                field=f"messages.{place}",
                hint="count endpoints are asked about plain text turns only",
            )
        found.append((role, content))
    return found


def _system(chat: Chat) -> str:
    return "\n".join(text for role, text in _turns(chat) if role == "system")


def _function(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = tool.get("function")
    return inner if isinstance(inner, Mapping) else tool  # pyright: ignore[reportUnknownVariableType]  # the caller's own JSON
