"""Tokenizers that lie on this machine: named folders, the Hub's download cache, the operator's map.

Never asks the network. What `hf download` fetched once is found here ever after.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import Field

from whichweights_plugins._roots import allowed_path, hub_cache, is_path
from whichweights_plugins.hub.gguf_names import GgufName, as_gguf_name
from whichweights_plugins.tokenizers._gguf_files import first_part, gguf_in, gguf_tokenizer
from whichweights_plugins.tokenizers._json_tokenizer import (
    JsonTokenizer,
    LibraryTokenizer,
    TokenizerFiles,
)
from whichweights_schemas.errors import NoTokenizer
from whichweights_schemas.providers import ProviderContext, Settings, TokenizerProvider
from whichweights_schemas.requests import TokenizerRequest
from whichweights_schemas.tokenizing import Tokenizer

MAX_FILE_BYTES = 64 * 2**20
"""The largest tokenizer.json in use is Gemma's with 33 MB."""

_KEPT = 4
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_TEMPLATES = ("chat_template.jinja", "chat_template.jinja2")


class LocalTokenizersSettings(Settings):
    """Where tokenizers lie on this machine."""

    folders: dict[str, Path] = Field(
        default_factory=dict[str, Path], description="Model id -> folder with its tokenizer.json"
    )
    roots: tuple[Path, ...] | None = Field(
        default=None,
        description="Folders models may be named in; default: the current one, the Hub's cache",
    )
    hub_cache: Path | None = Field(
        default=None, description="The Hub's cache; default: as huggingface_hub finds it"
    )


class LocalTokenizers(TokenizerProvider[LocalTokenizersSettings]):
    """A folder or file named as a model, or a repository id that was downloaded before.

    A GGUF file counts by the vocabulary inside it; a folder by its tokenizer.json first.
    """

    settings_model = LocalTokenizersSettings

    def __init__(self, context: ProviderContext[LocalTokenizersSettings]) -> None:
        super().__init__(context)
        self._loaded: dict[tuple[Path, int, int], LibraryTokenizer] = {}
        self._loading = threading.Lock()

    async def tokenizer(self, request: TokenizerRequest) -> Tokenizer | None:
        return await self.run_blocking(self._tokenizer, request)

    async def known_names(self) -> Sequence[str]:
        return tuple(self.settings.folders)

    async def how_to_get(self, request: TokenizerRequest) -> str | None:
        name = request.name if request.model is None else request.model.id
        gguf = as_gguf_name(name)
        if gguf is not None:
            return f'hf download {gguf.repo} --include "{gguf.path or f"*{gguf.format}*"}"'
        if _REPOSITORY.fullmatch(name) is None:
            return None
        return f'hf download {name} --include "tokenizer*" --include "chat_template*"'

    async def status(self) -> dict[str, str]:
        return {"Hub cache": str(self._hub_cache())}

    def _tokenizer(self, request: TokenizerRequest) -> Tokenizer | None:
        name = (request.name if request.model is None else request.model.id).strip()
        revision = request.model.revision if request.model else None
        file = self._file(name, revision)
        if file is None:
            return None
        state = file.stat()
        key = (file, state.st_mtime_ns, state.st_size)
        with self._loading:
            if key not in self._loaded:
                while len(self._loaded) >= _KEPT:
                    del self._loaded[next(iter(self._loaded))]
                self._loaded[key] = _load(file, name)
            return self._loaded[key]

    def _file(self, name: str, revision: str | None) -> Path | None:
        """The file that holds the vocabulary. Raises NoTokenizer for a folder without one."""
        given = self.settings.folders.get(name)
        if given is not None:
            return _vocabulary_in(given.expanduser())
        if is_path(name) or (name.lower().endswith(".gguf") and _exists(name)):
            real = allowed_path(name, self.settings.roots, section=self.name, field="models")
            return _vocabulary_in(real) if real.exists() else None
        gguf = as_gguf_name(name)
        if gguf is not None:
            return downloaded_gguf(self._hub_cache(), gguf.repo, revision, gguf)
        folder = downloaded(self._hub_cache(), name, revision)
        if folder is not None:
            return folder / "tokenizer.json"
        return downloaded_gguf(self._hub_cache(), name, revision)

    def _hub_cache(self) -> Path:
        if self.settings.hub_cache is not None:
            return self.settings.hub_cache.expanduser()
        return hub_cache(os.environ)


def _vocabulary_in(path: Path) -> Path:
    """The file of a path that carries the vocabulary."""
    if path.is_file() and path.name.lower().endswith(".gguf"):
        return first_part(path)
    if path.is_file() and path.name == "tokenizer.json":
        return path
    whole = path / "tokenizer.json"
    found = whole if whole.is_file() else gguf_in(path) if path.is_dir() else None
    if found is None:
        raise NoTokenizer(
            f"{path} holds no tokenizer.json, nor GGUF files of one model",
            field="models",
            hint="name a folder with a tokenizer.json in it, or one .gguf file",
        )
    return found


def _load(file: Path, name: str) -> LibraryTokenizer:
    if file.name == "tokenizer.json":
        return JsonTokenizer(read_folder(file.parent, name))
    return gguf_tokenizer(file, name, f"from {file.parent}")


def _exists(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        return False


def downloaded(cache: Path, name: str, revision: str | None) -> Path | None:
    """The snapshot of a repository in the Hub's cache that holds a tokenizer.json."""
    snapshots = _snapshots(cache, name, revision)
    return next((folder for folder in snapshots if (folder / "tokenizer.json").is_file()), None)


def downloaded_gguf(
    cache: Path, name: str, revision: str | None, wanted: GgufName | None = None
) -> Path | None:
    """A GGUF file of a repository in the Hub's cache, or the header of one."""
    snapshots = _snapshots(cache, name, revision)
    return next((file for folder in snapshots if (file := gguf_in(folder, wanted))), None)


def _snapshots(cache: Path, name: str, revision: str | None) -> Iterator[Path]:
    if _REPOSITORY.fullmatch(name) is None:
        return
    repository = cache / f"models--{name.replace('/', '--')}"
    for reference in (revision, "main"):
        if reference is None or "/" in reference or reference.startswith("."):
            continue
        for commit in (reference, _text(repository / "refs" / reference)):
            folder = repository / "snapshots" / commit if commit else None
            if folder is not None and folder.is_dir():
                yield folder


def read_folder(folder: Path, name: str, source: str | None = None) -> TokenizerFiles:
    """The files of a folder. Blocking. Raises NoTokenizer where one is too large to be real."""
    template = next((folder / t for t in _TEMPLATES if (folder / t).is_file()), None)
    return TokenizerFiles(
        name=name,
        source=source or f"from {folder}",
        tokenizer=_bytes(folder / "tokenizer.json") or b"",
        config=_bytes(folder / "tokenizer_config.json"),
        template=_bytes(template) if template else None,
    )


def _bytes(file: Path) -> bytes | None:
    if not file.is_file():
        return None
    if file.stat().st_size > MAX_FILE_BYTES:
        raise NoTokenizer(f"{file} is larger than {MAX_FILE_BYTES >> 20} MiB", field="models")
    return file.read_bytes()


def _text(file: Path) -> str | None:
    try:
        commit = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return commit if commit.isalnum() else None
