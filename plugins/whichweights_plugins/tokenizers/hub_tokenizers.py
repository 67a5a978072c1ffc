"""Tokenizers of the Hub: fetched once, kept in the user's cache, under the Hub provider's rules."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Final

import anyio

from whichweights_plugins._cache import AnswerCache, default_cache_file
from whichweights_plugins.hub.client import HubClient
from whichweights_plugins.hub.facts import RepoFacts, is_repo, read_repo
from whichweights_plugins.hub.search import as_repo_id
from whichweights_plugins.hub.settings import HubSettings
from whichweights_plugins.tokenizers._json_tokenizer import JsonTokenizer
from whichweights_plugins.tokenizers.local_tokenizers import (
    MAX_FILE_BYTES,
    downloaded,
    read_folder,
)
from whichweights_schemas.errors import (
    ModelNotFound,
    NoTokenizer,
    Offline,
    ProviderFailed,
    ProviderTimeout,
    UpstreamError,
)
from whichweights_schemas.providers import ProviderContext, TokenizerProvider
from whichweights_schemas.requests import TokenizerRequest
from whichweights_schemas.tokenizing import Tokenizer

_TOKENIZER: Final = "tokenizer.json"
# The tokenizer comes last: where it lies, the others do.
_FILES: Final = ("tokenizer_config.json", "chat_template.jinja", _TOKENIZER)
_STEP_BYTES: Final = 2 * 2**20
_FETCHING_SECONDS: Final = 4.5
"""One tool call waits 5 s for one question: a little less, so that the error says how far it is."""
_KEPT: Final = 4


class HubTokenizers(TokenizerProvider[HubSettings]):
    """The tokenizer.json of a repository, with its chat template. No request while offline.

    A file that does not arrive before the deadline is continued by the next question.
    """

    settings_model = HubSettings
    blocking_threads = 2

    def __init__(self, context: ProviderContext[HubSettings]) -> None:
        super().__init__(context)
        self.last_resort = context.settings.last_resort
        file = context.settings.cache_file or default_cache_file()
        self._folder = file.parent / "tokenizers"
        bytes_kept = context.settings.cache_max_bytes
        cache = AnswerCache(file, max_bytes=bytes_kept) if bytes_kept else None
        self._client = HubClient(context.settings, context.run_blocking, cache)
        self._fetching = anyio.Lock()
        self._loaded: dict[Path, JsonTokenizer] = {}
        self._loading = threading.Lock()

    async def tokenizer(self, request: TokenizerRequest) -> Tokenizer | None:
        name, _, revision = request.name.partition("@")
        if request.model is not None:
            name, revision = request.model.id, request.model.revision or ""
        repo = as_repo_id(name)
        if repo is None:
            return None
        snapshot = await self._snapshot(repo, revision or None)
        if snapshot is None:
            return None
        return await self.run_blocking(self._load, snapshot, repo)

    async def status(self) -> dict[str, str]:
        mode = "offline" if self._client.offline else "online"
        return {"endpoint": self._client.endpoint, "mode": mode, "folder": str(self._folder)}

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _snapshot(self, repo: str, revision: str | None) -> Path | None:
        """The folder with the files; None for a repository the Hub does not have, or offline."""
        until = anyio.current_time() + self.settings.timeout
        kept = await self.run_blocking(downloaded, self._folder, repo, revision)
        if self._client.offline:
            return kept
        path = f"/api/models/{repo}"
        if revision is not None:
            path = self._client.revision_path(repo, revision)
        try:
            answer = await self._client.json(
                path, {"blobs": "true"}, about=repo, until=until, check=is_repo
            )
        except ModelNotFound:
            return kept
        except Offline as error:
            if kept is not None:
                return kept
            raise ProviderFailed(error.message, hint=error.hint) from error
        except UpstreamError:
            if kept is not None:
                return kept
            raise
        until = max(until, until - self.settings.timeout + _FETCHING_SECONDS)
        return await self._fetched(repo, revision, read_repo(answer.data), until)

    async def _fetched(
        self, repo: str, revision: str | None, facts: RepoFacts, until: float
    ) -> Path:
        sizes = {file.path: file.size_bytes for file in facts.files}
        if facts.sha is None or _TOKENIZER not in sizes:
            raise NoTokenizer(
                f"the repository {repo} holds no {_TOKENIZER}",
                field="models",
                hint="name the repository of the original model, or a folder with the file",
            )
        repository = self._folder / f"models--{repo.replace('/', '--')}"
        snapshot = repository / "snapshots" / facts.sha
        async with self._fetching:
            for name in _FILES:
                if name in sizes:
                    await self._fetch(repo, facts.sha, name, sizes[name], snapshot, until)
            await self.run_blocking(_point, repository / "refs", revision or "main", facts.sha)
        return snapshot

    async def _fetch(
        self, repo: str, sha: str, name: str, size: int | None, snapshot: Path, until: float
    ) -> None:
        target = snapshot / name
        if await self.run_blocking(target.is_file):
            return
        if size is None or size > MAX_FILE_BYTES:
            raise ProviderFailed(f"{name} of {repo} is larger than {MAX_FILE_BYTES >> 20} MiB")
        part = snapshot / f"{name}.part"
        have = await self.run_blocking(_size, part)
        while have < size:
            try:
                chunk = await self._client.range(
                    self._client.file_path(repo, sha, name),
                    have,
                    min(_STEP_BYTES, size - have),
                    about=f"{name} of {repo}",
                    until=until,
                )
            except ProviderTimeout:
                raise ProviderTimeout(
                    f"{name} of {repo}: {have:,} of {size:,} bytes have come",
                    hint="ask again: the download goes on where it stopped",
                ) from None
            if not chunk:
                raise ProviderFailed(f"the Hub cut {name} of {repo} short")
            await self.run_blocking(_append, part, have, chunk)
            have += len(chunk)
        await self.run_blocking(os.replace, part, target)

    def _load(self, snapshot: Path, repo: str) -> JsonTokenizer:
        with self._loading:
            if snapshot not in self._loaded:
                while len(self._loaded) >= _KEPT:
                    del self._loaded[next(iter(self._loaded))]
                files = read_folder(snapshot, repo, f"the Hub, commit {snapshot.name[:12]}")
                self._loaded[snapshot] = JsonTokenizer(files)
            return self._loaded[snapshot]


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _append(file: Path, at: int, chunk: bytes) -> None:
    """Write at a place: two processes that fetch one file write the same bytes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("r+b" if file.exists() else "wb") as part:
        part.seek(at)
        part.write(chunk)


def _point(folder: Path, reference: str, sha: str) -> None:
    if "/" in reference or reference.startswith("."):
        return
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{reference}.{os.getpid()}"
    temporary.write_text(sha, encoding="utf-8")
    os.replace(temporary, folder / reference)
