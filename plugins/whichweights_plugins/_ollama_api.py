"""Asks a running ollama over its HTTP API. It is never started, and nothing is pulled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

import anyio

from whichweights_schemas.errors import ModelNotFound, ProviderFailed, ProviderTimeout

if TYPE_CHECKING:  # it loads at the first question, not at import
    import httpx2

__all__ = ["DEFAULT_ENDPOINT", "OllamaClient", "endpoint_of", "is_loopback"]

DEFAULT_ENDPOINT: Final = "http://127.0.0.1:11434"
MAX_ANSWER_BYTES: Final = 64 * 2**20
"""A vocabulary of 260,000 pieces in JSON, with its merges, has some 20 MB."""

_ANY_ADDRESS: Final = ("0.0.0.0", "::", "")
_LOOPBACK: Final = ("localhost", "::1")
Json = Mapping[str, object]


def endpoint_of(environ: Mapping[str, str]) -> str:
    """Where ollama listens by OLLAMA_HOST, as its own client reads the variable.

    Scheme and port may be left out, ports 80 and 443 follow from an explicit scheme (general
    knowledge of ollama's envconfig; its source was not read). An address to listen on everywhere
    is asked on this machine.
    """
    stated = environ.get("OLLAMA_HOST", "").strip().strip("\"'")
    if not stated:
        return DEFAULT_ENDPOINT
    scheme, separator, rest = stated.partition("://")
    if not separator:
        scheme, rest = "http", stated
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return DEFAULT_ENDPOINT
    if port is None:
        port = {"http": 80, "https": 443}.get(scheme, 11434) if separator else 11434
    host = "127.0.0.1" if host in _ANY_ADDRESS else host
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def is_loopback(endpoint: str) -> bool:
    """Whether an address is of this machine, by its form; no name is looked up."""
    host = urlsplit(endpoint).hostname or ""
    numbers = host.split(".")
    four = len(numbers) == 4 and all(number.isdecimal() for number in numbers)
    return host in _LOOPBACK or (four and numbers[0] == "127")


class OllamaClient:
    """The three questions that are asked; each ends within `timeout` seconds.

    They raise ProviderFailed where ollama does not answer or not as it should, ProviderTimeout.
    """

    def __init__(self, endpoint: str, timeout: float) -> None:
        self.endpoint = endpoint.rstrip("/")
        self._timeout = timeout
        self._client: httpx2.AsyncClient | None = None

    async def version(self) -> str:
        """The version that runs."""
        stated = (await self._ask("GET", "/api/version")).get("version")
        if not isinstance(stated, str):
            raise ProviderFailed(f"what answers at {self.endpoint} is not ollama")
        return stated[:40]

    async def tags(self) -> list[Json]:
        """What is installed."""
        rows = (await self._ask("GET", "/api/tags")).get("models")
        if rows is None:  # an ollama without models
            return []
        if not isinstance(rows, list):
            raise ProviderFailed("ollama's list of models is none")
        return [cast("Json", row) for row in cast("list[object]", rows) if isinstance(row, dict)]

    async def show(self, name: str, *, verbose: bool = False) -> Json:
        """What ollama says of one model. Raises ModelNotFound."""
        body = {"model": name, "name": name, "verbose": verbose}
        return await self._ask("POST", "/api/show", body)

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def _ask(self, method: str, path: str, body: Json | None = None) -> Json:
        import httpx2

        if self._client is None:
            self._client = httpx2.AsyncClient(
                timeout=self._timeout, follow_redirects=False, trust_env=False
            )
        try:
            with anyio.fail_after(self._timeout):
                async with self._client.stream(method, self.endpoint + path, json=body) as reply:
                    content = await _content(reply)
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise ProviderTimeout(
                f"ollama at {self.endpoint} did not answer within {self._timeout:g} s"
            ) from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ProviderFailed(f"no ollama answers at {self.endpoint}") from error
        if reply.status_code == 404 and body is not None:
            raise ModelNotFound(f"ollama has no model {body['model']}", field="model")
        if reply.status_code != 200:
            raise ProviderFailed(f"ollama answered {path} with status {reply.status_code}")
        return _object(content, path)


async def _content(reply: httpx2.Response) -> bytes:
    content = bytearray()
    async for piece in reply.aiter_bytes():
        content += piece
        if len(content) > MAX_ANSWER_BYTES:
            raise ProviderFailed(f"an answer of more than {MAX_ANSWER_BYTES >> 20} MiB")
    return bytes(content)


def _object(content: bytes, path: str) -> Json:
    try:
        answer: Any = json.loads(content)
    except (ValueError, RecursionError):
        raise ProviderFailed(f"what ollama answered to {path} is no JSON") from None
    if not isinstance(answer, dict):
        raise ProviderFailed(f"what ollama answered to {path} is no JSON object")
    return cast("Json", answer)
