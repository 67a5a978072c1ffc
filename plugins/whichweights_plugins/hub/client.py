"""A small client of three endpoints of the Hub, over huggingface_hub's own session.

`HfApi.model_info` keeps no ETag, reads without bound and cannot be cancelled; its session, its
token lookup and its reading of error answers are used, the requests are made here. Nothing but the
request itself is sent: no telemetry, no list of installed packages in the user agent.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

import anyio

from whichweights_plugins._cache import AnswerCache, CachedAnswer
from whichweights_plugins.hub._errors import status_error, translated
from whichweights_plugins.hub._transport import Transport
from whichweights_plugins.hub.settings import HubSettings, is_offline
from whichweights_schemas.errors import (
    ModelGated,
    ModelNotFound,
    Offline,
    ProviderFailed,
    ProviderTimeout,
    UpstreamError,
)
from whichweights_schemas.providers import RunBlocking

if TYPE_CHECKING:
    import httpx2

__all__ = ["Answer", "HubClient"]

MAX_JSON_BYTES: Final = 8 * 2**20
_DEFAULT_ENDPOINT: Final = "https://huggingface.co"


@dataclass(frozen=True)
class Answer:
    """A JSON document of the Hub. `stale` = why it could not be confirmed just now."""

    data: object
    age_seconds: float = 0.0
    stale: str | None = None


class HubClient:
    """Asks the Hub, remembers what it said, and falls back on that when the Hub does not answer."""

    def __init__(
        self, settings: HubSettings, run_blocking: RunBlocking, cache: AnswerCache | None
    ) -> None:
        self._settings = settings
        self._run_blocking = run_blocking
        self._cache = cache
        self._transport: Transport | None = None
        self._opening = anyio.Lock()
        self._silent_since: float | None = None

    @property
    def offline(self) -> bool:
        """Whether requests are forbidden now."""
        return is_offline(self._settings)

    @property
    def endpoint(self) -> str:
        """The address that is asked."""
        said = self._settings.endpoint or os.environ.get("HF_ENDPOINT") or _DEFAULT_ENDPOINT
        return said.rstrip("/")

    def revision_path(self, repo: str, revision: str) -> str:
        """The path of what the Hub says of a repository at a branch, tag or commit."""
        return f"/api/models/{repo}/revision/{quote(revision, safe='')}"

    def file_path(self, repo: str, revision: str, path: str) -> str:
        """The path of a file of a repository at a revision."""
        return f"/{repo}/resolve/{quote(revision, safe='')}/{quote(path)}"

    async def json(
        self,
        path: str,
        parameters: Mapping[str, str | list[str]] | None = None,
        *,
        about: str,
        until: float,
        check: Callable[[object], bool],
        immutable: bool = False,
    ) -> Answer:
        """The document at that path, from the cache where it is fresh.

        `until` = the moment of the event loop's clock to be done by. `check` says whether the
        document is one of its kind; nothing else is used or remembered. `immutable` = an answer
        that never changes, as a file at a commit.

        Raises ModelNotFound, ModelGated, Offline, ProviderTimeout, ProviderFailed.
        """
        url = f"{self.endpoint}{path}"
        if parameters:
            url += f"?{urlencode(parameters, doseq=True)}"
        key = f"{url}#{self._who()}"
        known = await self._known(key)
        if known is not None and self._is_fresh(known, immutable):
            return _remembered(known, about, check)
        if self.offline:
            if known is None or known.status >= 400:
                raise Offline(
                    f"offline: the Hub was not asked for {about}",
                    hint="unset HF_HUB_OFFLINE, or name a model of the catalogue",
                )
            return _remembered(known, about, check, "offline")
        try:
            return await self._asked(url, key, known, about, until, check)
        except (UpstreamError, Offline) as error:
            if known is None or known.status >= 400:
                raise
            return _remembered(known, about, check, error.message)

    async def range(self, path: str, start: int, length: int, *, about: str, until: float) -> bytes:
        """`length` bytes of a file from `start` on; fewer where it ends. Never cached.

        Raises as `json` does; ProviderFailed too where the server does not serve ranges.
        """
        if self.offline:
            raise Offline(f"offline: the Hub was not asked for {about}")
        headers = {
            "Range": f"bytes={start}-{start + length - 1}",
            "Accept-Encoding": "identity",
        }
        reply = await self._reply(f"{self.endpoint}{path}", headers, until, about, length)
        if reply.status_code == 416:
            return b""
        self._raise_for(reply, about)
        if reply.status_code != 206 and start:
            raise ProviderFailed(f"the Hub served {about} whole, not the range that was asked for")
        return reply.content[:length]

    async def derived(self, key: str | None, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """What was worked out of files at a commit: made once, then remembered. None = not kept."""
        known = await self._known(key) if key else None
        if known is not None:
            return known.body
        made = await make()
        if key:
            await self._remember(key, 200, made, None)
        return made

    async def aclose(self) -> None:
        """Close the connections."""
        if self._transport is not None:
            await self._transport.aclose()
            self._transport = None

    async def _asked(
        self,
        url: str,
        key: str,
        known: CachedAnswer | None,
        about: str,
        until: float,
        check: Callable[[object], bool],
    ) -> Answer:
        headers = {"If-None-Match": known.etag} if known and known.etag else {}
        reply = await self._reply(url, headers, until, about, MAX_JSON_BYTES)
        if reply.status_code == 304 and known is not None:
            if self._cache:
                await self._run_blocking(self._cache.confirm, key)
            return Answer(_parsed(known.body, about, check))
        try:
            self._raise_for(reply, about)
        except (ModelNotFound, ModelGated) as error:
            if _is_certain(reply):
                status = 403 if isinstance(error, ModelGated) else 404
                await self._remember(key, status, b"", None)
            raise
        document = _parsed(reply.content, about, check)
        await self._remember(key, 200, reply.content, reply.headers.get("ETag"))
        return Answer(document)

    async def _reply(
        self, url: str, headers: dict[str, str], until: float, about: str, limit: int
    ) -> httpx2.Response:
        self._refuse_if_silent(about)
        transport = await self._opened()
        from httpx2 import HTTPError, InvalidURL, NetworkError

        scope = anyio.CancelScope(deadline=until)
        try:
            with scope:
                return await transport.get(url, headers, until, limit)
        except (HTTPError, InvalidURL, OSError) as error:
            # A library may turn our cancellation into an exception of its own.
            if not scope.cancel_called:
                if isinstance(error, NetworkError):
                    self._silent_since = anyio.current_time()
                raise translated(error, about) from error
        self._silent_since = anyio.current_time()
        raise ProviderTimeout(
            f"the Hub did not answer within {self._settings.timeout:g} s ({about})",
            hint="try again later, or raise `timeout` in [providers.hub]",
        )

    def _refuse_if_silent(self, about: str) -> None:
        """A Hub that was out of reach a moment ago is not waited for again by every question."""
        if self._silent_since is None:
            return
        ago = anyio.current_time() - self._silent_since
        if ago < self._settings.pause_seconds:
            raise Offline(
                f"the Hub was out of reach {ago:.0f} s ago and was not asked for {about}",
                hint="try again in a moment; HF_HUB_OFFLINE=1 where there is no way to the Hub",
            )
        self._silent_since = None

    async def _opened(self) -> Transport:
        async with self._opening:
            if self._transport is None:
                # The library takes a fifth of a second to import: in the thread, at first use.
                self._transport = await self._run_blocking(Transport.open, self._settings)
            return self._transport

    def _raise_for(self, reply: httpx2.Response, about: str) -> None:
        """Let huggingface_hub read the error answer, then say it in our words."""
        if reply.status_code < 400:
            return
        from huggingface_hub.errors import HfHubHTTPError
        from huggingface_hub.utils import hf_raise_for_status

        try:
            hf_raise_for_status(reply)
        except HfHubHTTPError as error:
            raise translated(error, about) from error

    async def _known(self, key: str) -> CachedAnswer | None:
        if self._cache is None:
            return None
        return await self._run_blocking(self._cache.get, key)

    async def _remember(self, key: str, status: int, body: bytes, etag: str | None) -> None:
        if self._cache is not None:
            await self._run_blocking(self._cache.put, key, status, body, etag)

    def _is_fresh(self, known: CachedAnswer, immutable: bool) -> bool:
        if immutable and known.status == 200 and known.etag:
            return True
        settings = self._settings
        lasting = settings.fresh_seconds if known.status == 200 else settings.negative_seconds
        return known.age_seconds(time.time()) < lasting

    def _who(self) -> str:
        """What an answer may be shown to depends on the token; the token itself is not stored."""
        token = os.environ.get(self._settings.token_env, "") if self._settings.token_env else "-"
        return hashlib.sha256(token.encode("utf-8")).hexdigest()[:16] if token else ""


def _remembered(
    known: CachedAnswer, about: str, check: Callable[[object], bool], stale: str | None = None
) -> Answer:
    refused = status_error(known.status, about)
    if refused is not None:
        raise refused
    return Answer(_parsed(known.body, about, check), known.age_seconds(time.time()), stale)


def _parsed(body: bytes, about: str, check: Callable[[object], bool]) -> object:
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if document is None or not check(document):
        raise ProviderFailed(f"the Hub's answer to {about} is not the JSON it should be")
    return document


def _is_certain(reply: httpx2.Response) -> bool:
    """Only an answer that names its reason is a fact; a proxy's bare status is not."""
    return reply.headers.get("X-Error-Code") in ("RepoNotFound", "EntryNotFound", "GatedRepo")
