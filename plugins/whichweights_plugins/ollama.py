"""The `ollama` provider: models installed in an ollama that runs already."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from pydantic import Field

from whichweights_plugins._ollama_api import OllamaClient, endpoint_of, is_loopback
from whichweights_schemas.errors import ModelNotFound, UpstreamError
from whichweights_schemas.models import ModelFile, ModelRef, ModelSpec
from whichweights_schemas.providers import ModelProvider, ProviderContext, Settings
from whichweights_schemas.requests import FindModel, ModelQuestion

_PREFIX: Final = "ollama:"
_LIBRARY: Final = ("registry.ollama.ai/", "library/")
_SHOWN: Final = 8


class OllamaSettings(Settings):
    """Which ollama is asked, and for how long."""

    endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^/\s]+/?$",
        description="Default: OLLAMA_HOST if it is this machine, else http://127.0.0.1:11434",
    )
    timeout: float = Field(default=3.0, gt=0, le=60, description="Seconds for one request")


@dataclass(frozen=True, slots=True)
class _Installed:
    name: str
    size_bytes: int | None
    digest: str | None
    format: str | None


class OllamaProvider(ModelProvider[OllamaSettings]):
    """Asked for `ollama:<tag>` only; ollama is never started, and nothing is pulled."""

    settings_model = OllamaSettings
    blocking_threads = 1

    def __init__(self, context: ProviderContext[OllamaSettings]) -> None:
        super().__init__(context)
        endpoint = self.settings.endpoint or endpoint_of(os.environ)
        self._refused = self.settings.endpoint is None and not is_loopback(endpoint)
        self._client = OllamaClient(endpoint, self.settings.timeout)

    def may_know(self, query: str) -> bool:
        return query.strip().lower().startswith(_PREFIX)

    async def available(self) -> str | None:
        if self._refused:
            return (
                f"OLLAMA_HOST names another machine: set `endpoint` in [providers.{self.name}] "
                "to have it asked"
            )
        try:
            await self._client.version()
        except UpstreamError as error:
            return error.message
        return None

    async def status(self) -> dict[str, str]:
        version = await self._client.version()
        count = len(await self._installed())
        return {"endpoint": self._client.endpoint, "version": version, "models": str(count)}

    async def find(self, request: FindModel) -> Sequence[ModelRef]:
        """The installed model of that tag. Raises ModelNotFound with those that there are."""
        if not self.may_know(request.query):
            return ()
        wanted = _full_name(request.query)
        rows = await self._installed()
        row = _named(rows, wanted)
        if row is None:
            raise _not_installed(wanted, rows)
        return (
            ModelRef(
                id=_PREFIX + row.name,
                provider=self.name,
                display_name=row.name,
                match="id",
            ),
        )

    async def spec(self, ref: ModelRef) -> ModelSpec | None:
        row = await self._row(ref)
        if row is None:
            return None
        read = await self.run_blocking(_reader)
        show = await self._client.show(row.name)
        if read.lacks_arrays(show):
            show = await self._client.show(row.name, verbose=True)
        version = await self._client.version()

        def make() -> ModelSpec:
            return read.spec_from_show(
                show,
                model_id=_PREFIX + row.name,
                size_bytes=row.size_bytes,
                digest=row.digest,
                version=version,
            )

        return await self.run_blocking(make)

    async def files(self, request: ModelQuestion) -> Sequence[ModelFile]:
        row = await self._row(request.ref)
        if row is None or row.size_bytes is None:
            return ()
        note = "all layers of the model together"
        return (ModelFile(path=row.name, size_bytes=row.size_bytes, format=row.format, note=note),)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _row(self, ref: ModelRef) -> _Installed | None:
        if not self.may_know(ref.id):
            return None
        return _named(await self._installed(), _full_name(ref.id))

    async def _installed(self) -> list[_Installed]:
        rows = [_installed(row) for row in await self._client.tags()]
        return [row for row in rows if row is not None]


def _installed(row: Mapping[str, object]) -> _Installed | None:
    name = row.get("model", row.get("name"))
    if not isinstance(name, str) or not 0 < len(name) <= 300:
        return None
    size, digest, details = row.get("size"), row.get("digest"), row.get("details")
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 2**53:
        size = None
    level = (
        cast("Mapping[str, object]", details).get("quantization_level")
        if isinstance(details, Mapping)
        else None
    )
    return _Installed(
        name,
        size,
        digest[:80] if isinstance(digest, str) and digest else None,
        level[:40] if isinstance(level, str) and level else None,
    )


def _full_name(query: str) -> str:
    """The tag as ollama lists it: without the default registry, with `latest` where none stands."""
    name = query.strip()[len(_PREFIX) :].strip()
    for default in _LIBRARY:
        name = name.removeprefix(default)
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _named(rows: Sequence[_Installed], wanted: str) -> _Installed | None:
    return next((row for row in rows if row.name.lower() == wanted.lower()), None)


def _not_installed(wanted: str, rows: Sequence[_Installed]) -> ModelNotFound:
    names = [row.name for row in rows]
    near = difflib.get_close_matches(wanted[:100], names, n=_SHOWN, cutoff=0.3)
    rest = [name for name in names if name not in near]
    there = f"{len(names)} models" if names else "no model"
    return ModelNotFound(
        f"ollama has no {wanted[:100]} here: it has {there}",
        field="model",
        hint=f'ollama pull {wanted[:100]} would install it; or name the model, as "llama 3.1 8b"',
        suggestions=[_PREFIX + name for name in (*near, *rest)][:_SHOWN],
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    lacks_arrays: Callable[[Mapping[str, object]], bool]
    spec_from_show: Callable[..., ModelSpec]


def _reader() -> _Reader:
    """The readers of all architectures take a while to import: in the thread, at first use."""
    from whichweights_plugins._ollama_spec import lacks_arrays, spec_from_show

    return _Reader(lacks_arrays, spec_from_show)
