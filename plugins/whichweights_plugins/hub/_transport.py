"""One bounded GET: own redirects, own retries, bytes and seconds counted."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

import anyio

from whichweights_plugins.hub.settings import HubSettings
from whichweights_schemas.errors import ProviderFailed

if TYPE_CHECKING:
    import httpx2

_USER_AGENT: Final = "whichweights"
_ATTEMPTS: Final = 3
_MAX_REDIRECTS: Final = 5
_FIRST_WAIT_SECONDS: Final = 0.2
_TRY_AGAIN: Final = frozenset({429, 500, 502, 503, 504})
_RESET: Final = re.compile(r";\s*r\s*=\s*0\s*;\s*t\s*=\s*(\d{1,9})")
_KEPT: Final = (
    *("etag", "content-range", "retry-after", "ratelimit"),
    *("x-error-code", "x-error-message", "x-repo-commit"),
)


@dataclass
class Transport:
    """The session of huggingface_hub and the token; `refused_until` = the server's own word."""

    session: httpx2.AsyncClient
    token: str | None
    refused_until: dict[str, float] = field(default_factory=dict[str, float])

    @classmethod
    def open(cls, settings: HubSettings) -> Transport:
        """Import the library and read the token. Blocks: belongs in a thread."""
        # Must be said before the import, which reads it; an operator's own word stands.
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
        from huggingface_hub import constants, get_async_session, get_token

        token: str | None = None
        if settings.token_env:
            token = os.environ.get(settings.token_env)
            if token is None and not constants.HF_HUB_DISABLE_IMPLICIT_TOKEN:
                token = get_token()
        return cls(get_async_session(), token or None)

    async def get(
        self, url: str, headers: Mapping[str, str], until: float, limit: int
    ) -> httpx2.Response:
        """The answer with at most `limit` bytes of body, whatever its status.

        Retries what may pass by itself, after the wait the server asks for, if that ends before
        `until`. Raises the errors of httpx2; ProviderFailed for too long an answer or for a wait
        that would not end in time.
        """
        import httpx2

        origin = _origin(url)
        wait = self.refused_until.get(origin, 0.0) - anyio.current_time()
        if wait > 0:
            await _wait_or_refuse(wait, until)
        for attempt in range(_ATTEMPTS):
            last = attempt == _ATTEMPTS - 1
            try:
                reply = await self._follow(url, headers, limit)
            except (httpx2.NetworkError, httpx2.RemoteProtocolError):
                if last:
                    raise
                continue
            if reply.status_code not in _TRY_AGAIN:
                return reply
            asked = _asked_wait(reply)
            if asked is not None and reply.status_code == 429:
                self.refused_until[origin] = anyio.current_time() + asked
            if last or anyio.current_time() + (asked or 0) >= until:
                return reply
            await anyio.sleep(_FIRST_WAIT_SECONDS * 2**attempt if asked is None else asked)
        raise AssertionError("unreachable")  # the last attempt returns or raises

    async def aclose(self) -> None:
        """Close the connections."""
        await self.session.aclose()

    async def _follow(self, url: str, headers: Mapping[str, str], limit: int) -> httpx2.Response:
        """Follow redirects; the token goes to the origin that was configured and nowhere else."""
        home = _origin(url)
        for _ in range(_MAX_REDIRECTS + 1):
            sent = {"User-Agent": _USER_AGENT, **headers}
            if self.token and _origin(url) == home:
                sent["Authorization"] = f"Bearer {self.token}"
            reply = await self._once(url, sent, limit)
            if reply.status_code not in (301, 302, 303, 307, 308):
                return reply
            url = urljoin(url, reply.headers.get("location", ""))
            if urlsplit(url).scheme not in ("http", "https"):
                break
        raise ProviderFailed("the Hub redirects in circles")

    async def _once(self, url: str, headers: Mapping[str, str], limit: int) -> httpx2.Response:
        import httpx2

        async with self.session.stream(
            "GET", url, headers=headers, follow_redirects=False
        ) as reply:
            kept = {name: reply.headers[name] for name in _KEPT if name in reply.headers}
            if "location" in reply.headers:
                kept["location"] = reply.headers["location"]
            body = await _read(reply, limit, cut="Range" in headers)
        return httpx2.Response(reply.status_code, headers=kept, content=body, request=reply.request)


async def _read(reply: httpx2.Response, limit: int, *, cut: bool) -> bytes:
    body = bytearray()
    async for chunk in reply.aiter_bytes():
        body += chunk
        if len(body) >= limit and cut:
            return bytes(body[:limit])
        if len(body) > limit:
            raise ProviderFailed(f"the Hub's answer is larger than {limit:,} bytes")
    return bytes(body)


def _asked_wait(reply: httpx2.Response) -> float | None:
    """Seconds the server asks to wait: RateLimit where nothing remains, else Retry-After."""
    found = _RESET.search(reply.headers.get("ratelimit", ""))
    if found and reply.status_code == 429:
        return float(found[1])
    after = reply.headers.get("retry-after", "").strip()
    return float(after) if after.isdecimal() and len(after) < 10 else None


async def _wait_or_refuse(wait: float, until: float) -> None:
    if anyio.current_time() + wait >= until:
        raise ProviderFailed(
            f"the Hub limits the rate of requests for another {wait:.0f} s",
            hint="give a token (HF_TOKEN): its limit is higher",
        )
    await anyio.sleep(wait)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}"
