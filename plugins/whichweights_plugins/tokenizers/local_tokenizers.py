"""Tokenizers that lie on this machine: named folders, the Hub's download cache, the operator's map.

Never asks the network. What `hf download` fetched once is found here ever after.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from whichweights_plugins._roots import hub_cache
from whichweights_plugins.tokenizers._json_tokenizer import JsonTokenizer, TokenizerFiles
from whichweights_schemas.errors import NoTokenizer, PathNotAllowed
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
        description="Folders that callers may name models in; default: the current one",
    )
    hub_cache: Path | None = Field(
        default=None, description="The Hub's cache; default: as huggingface_hub finds it"
    )


class LocalTokenizers(TokenizerProvider[LocalTokenizersSettings]):
    """A folder or file named as a model, or a repository id that was downloaded before."""

    settings_model = LocalTokenizersSettings

    def __init__(self, context: ProviderContext[LocalTokenizersSettings]) -> None:
        super().__init__(context)
        self._loaded: dict[tuple[Path, int, int], JsonTokenizer] = {}
        self._loading = threading.Lock()

    async def tokenizer(self, request: TokenizerRequest) -> Tokenizer | None:
        return await self.run_blocking(self._tokenizer, request)

    async def known_names(self) -> Sequence[str]:
        return tuple(self.settings.folders)

    async def how_to_get(self, request: TokenizerRequest) -> str | None:
        name = request.name if request.model is None else request.model.id
        if _REPOSITORY.fullmatch(name) is None:
            return None
        return f'hf download {name} --include "tokenizer*" --include "chat_template*"'

    async def status(self) -> dict[str, str]:
        return {"Hub cache": str(self._hub_cache())}

    def _tokenizer(self, request: TokenizerRequest) -> Tokenizer | None:
        name = request.name if request.model is None else request.model.id
        revision = request.model.revision if request.model else None
        folder = self._folder(name.strip(), revision)
        if folder is None:
            return None
        file = folder / "tokenizer.json"
        if not file.is_file():
            raise NoTokenizer(
                f"{folder} holds no tokenizer.json",
                field="models",
                hint="name a folder with a tokenizer.json in it",
            )
        state = file.stat()
        key = (file, state.st_mtime_ns, state.st_size)
        with self._loading:
            if key not in self._loaded:
                while len(self._loaded) >= _KEPT:
                    del self._loaded[next(iter(self._loaded))]
                self._loaded[key] = JsonTokenizer(read_folder(folder, name))
            return self._loaded[key]

    def _folder(self, name: str, revision: str | None) -> Path | None:
        given = self.settings.folders.get(name)
        if given is not None:
            return given.expanduser()
        if _looks_like_path(name):
            return self._allowed(Path(name).expanduser())
        return downloaded(self._hub_cache(), name, revision)

    def _allowed(self, path: Path) -> Path | None:
        real = path.resolve()
        roots = self.settings.roots if self.settings.roots is not None else (Path.cwd(),)
        if not any(real.is_relative_to(root.expanduser().resolve()) for root in roots):
            raise PathNotAllowed(
                f"{path} lies outside the folders that may be read",
                field="models",
                hint="add its folder to `roots` in [providers.local-tokenizers]",
            )
        if real.is_dir():
            return real
        return real.parent if real.name == "tokenizer.json" and real.is_file() else None

    def _hub_cache(self) -> Path:
        if self.settings.hub_cache is not None:
            return self.settings.hub_cache.expanduser()
        return hub_cache(os.environ)


def downloaded(cache: Path, name: str, revision: str | None) -> Path | None:
    """The snapshot of a repository in the Hub's cache that holds a tokenizer.json."""
    if _REPOSITORY.fullmatch(name) is None:
        return None
    repository = cache / f"models--{name.replace('/', '--')}"
    snapshots = repository / "snapshots"
    for reference in (revision, "main"):
        if reference is None or "/" in reference or reference.startswith("."):
            continue
        for commit in (reference, _text(repository / "refs" / reference)):
            if commit and (snapshots / commit / "tokenizer.json").is_file():
                return snapshots / commit
    return None


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


def _looks_like_path(name: str) -> bool:
    return name.startswith(("/", "./", "../", "~/", ".\\")) or os.path.isabs(name)
