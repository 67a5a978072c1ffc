"""Tokenizers of the Hub: fetched once, kept in the user's cache, under the Hub provider's rules."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Final

import anyio

from whichweights_plugins._cache import AnswerCache, default_cache_file
from whichweights_plugins.formats._gguf_parsing import HeaderParser
from whichweights_plugins.hub.client import HubClient
from whichweights_plugins.hub.facts import HubFile, RepoFacts, is_repo, read_repo
from whichweights_plugins.hub.gguf_names import (
    GgufName,
    as_gguf_name,
    chosen_files,
    files_of_one_model,
)
from whichweights_plugins.hub.search import as_repo_id
from whichweights_plugins.hub.settings import HubSettings
from whichweights_plugins.tokenizers._gguf_files import HEADER, gguf_tokenizer
from whichweights_plugins.tokenizers._json_tokenizer import JsonTokenizer, LibraryTokenizer
from whichweights_plugins.tokenizers.local_tokenizers import (
    MAX_FILE_BYTES,
    downloaded,
    downloaded_gguf,
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

    Of a GGUF file, or a repository of such files of one model, the header is fetched: the
    vocabulary is in it. A file that does not arrive before the deadline is continued by the next
    question.
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
        self._loaded: dict[Path, LibraryTokenizer] = {}
        self._loading = threading.Lock()

    async def tokenizer(self, request: TokenizerRequest) -> Tokenizer | None:
        name, _, revision = request.name.partition("@")
        if request.model is not None:
            name, revision = request.model.id, request.model.revision or ""
        gguf = as_gguf_name(name)
        repo = gguf.repo if gguf else as_repo_id(name)
        if repo is None:
            return None
        file = await self._file(repo, revision or None, gguf)
        if file is None:
            return None
        return await self.run_blocking(self._load, file, name)

    async def status(self) -> dict[str, str]:
        mode = "offline" if self._client.offline else "online"
        return {"endpoint": self._client.endpoint, "mode": mode, "folder": str(self._folder)}

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _file(self, repo: str, revision: str | None, gguf: GgufName | None) -> Path | None:
        """The file to load; None for a repository the Hub does not have, or offline."""
        until = anyio.current_time() + self.settings.timeout
        kept = await self.run_blocking(self._kept, repo, revision, gguf)
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
        return await self._fetched(repo, revision, read_repo(answer.data), gguf, until)

    def _kept(self, repo: str, revision: str | None, gguf: GgufName | None) -> Path | None:
        if gguf is None:
            folder = downloaded(self._folder, repo, revision)
            if folder is not None:
                return folder / _TOKENIZER
        return downloaded_gguf(self._folder, repo, revision, gguf)

    async def _fetched(
        self,
        repo: str,
        revision: str | None,
        facts: RepoFacts,
        gguf: GgufName | None,
        until: float,
    ) -> Path:
        sizes = {file.path: file.size_bytes for file in facts.files}
        whole = gguf is None and _TOKENIZER in sizes
        file = None if whole else _gguf_file(facts, gguf)
        if facts.sha is None or not (whole or file):
            wanted = f"file {gguf.path or gguf.format}" if gguf else _TOKENIZER
            raise NoTokenizer(
                f"the repository {repo} holds no {wanted}, nor GGUF files of one model",
                field="models",
                hint="name the repository of the original model, or one of its .gguf files",
            )
        repository = self._folder / f"models--{repo.replace('/', '--')}"
        snapshot = repository / "snapshots" / facts.sha
        async with self._fetching:
            if file is not None:
                target = await self._fetch_header(repo, facts.sha, file, snapshot, until)
            else:
                for name in _FILES:
                    if name in sizes:
                        await self._fetch(repo, facts.sha, name, sizes[name], snapshot, until)
                target = snapshot / _TOKENIZER
            await self.run_blocking(_point, repository / "refs", revision or "main", facts.sha)
        return target

    async def _fetch_header(
        self, repo: str, sha: str, file: HubFile, snapshot: Path, until: float
    ) -> Path:
        """The start of a GGUF file, as much of it as its header takes."""
        target = snapshot / f"{file.path}{HEADER}"
        part = target.with_name(f"{target.name}.part")
        if await self.run_blocking(target.is_file):
            return target
        while needed := await self.run_blocking(_bytes_needed, part):
            have = await self.run_blocking(_size, part)
            length = max(_STEP_BYTES, needed - have)
            await self._append_range(repo, sha, file.path, part, have, length, needed, until)
        await self.run_blocking(os.replace, part, target)
        return target

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
            length = min(_STEP_BYTES, size - have)
            have += await self._append_range(repo, sha, name, part, have, length, size, until)
        await self.run_blocking(os.replace, part, target)

    async def _append_range(
        self,
        repo: str,
        sha: str,
        name: str,
        part: Path,
        have: int,
        length: int,
        whole: int,
        until: float,
    ) -> int:
        """How many bytes more the part file has now; `whole` = how many it needs at least."""
        try:
            chunk = await self._client.range(
                self._client.file_path(repo, sha, name),
                have,
                length,
                about=f"{name} of {repo}",
                until=until,
            )
        except ProviderTimeout:
            raise ProviderTimeout(
                f"{name} of {repo}: {have:,} of {whole:,} bytes have come",
                hint="ask again: the download goes on where it stopped",
            ) from None
        if not chunk:
            raise ProviderFailed(f"the Hub cut {name} of {repo} short")
        await self.run_blocking(_append, part, have, chunk)
        return len(chunk)

    def _load(self, file: Path, name: str) -> LibraryTokenizer:
        with self._loading:
            if file not in self._loaded:
                while len(self._loaded) >= _KEPT:
                    del self._loaded[next(iter(self._loaded))]
                source = f"the Hub, commit {_commit(file)[:12]}"
                if file.name == _TOKENIZER:
                    self._loaded[file] = JsonTokenizer(read_folder(file.parent, name, source))
                else:
                    self._loaded[file] = gguf_tokenizer(file, name, source)
            return self._loaded[file]


def _gguf_file(facts: RepoFacts, gguf: GgufName | None) -> HubFile | None:
    """The file whose header holds the vocabulary; None where the name fits none or several."""
    found = chosen_files(facts.files, gguf) if gguf else files_of_one_model(facts.files)
    return found[0] if found else None


def _commit(file: Path) -> str:
    """The folder below `snapshots`; a file may lie deeper."""
    parts = file.parts
    return parts[len(parts) - parts[::-1].index("snapshots")]


def _bytes_needed(part: Path) -> int:
    """The least length of the file's start that holds the next step of its header; 0 = whole."""
    parser = HeaderParser()
    if part.is_file():
        parser.feed(part.read_bytes())
    return 0 if parser.done else parser.needed


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
