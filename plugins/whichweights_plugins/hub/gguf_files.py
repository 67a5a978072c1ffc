"""One GGUF file of a repository, named as people name it: its header is read by range."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import anyio

from whichweights_plugins.formats.gguf_header import (
    GgufHeader,
    merge_splits,
    read_gguf,
    split_name,
)
from whichweights_plugins.formats.gguf_spec import spec_from_gguf
from whichweights_plugins.hub.facts import HubFile, RepoFacts
from whichweights_plugins.hub.search import as_repo_id
from whichweights_plugins.hub.weight_files import format_of, is_gguf_model, total_bytes
from whichweights_schemas.errors import InputTooLarge, WhichweightsError
from whichweights_schemas.models import ModelSpec

__all__ = ["GgufName", "as_gguf_name", "chosen_parts", "gguf_spec"]

_MAX_PARTS: Final = 32
_AT_ONCE: Final = 4
_FORMAT: Final = re.compile(r"[A-Za-z0-9_\-]{2,20}")

ReadFile = Callable[[HubFile, int, int], Awaitable[bytes]]
"""Reads so many bytes of a file of the repository, from an offset on."""


@dataclass(frozen=True, slots=True)
class GgufName:
    """A repository and either the path of a file in it or the name of a format."""

    repo: str
    path: str | None = None
    format: str | None = None


def as_gguf_name(query: str) -> GgufName | None:
    """Reads "owner/name/file.gguf" and, as llama.cpp's -hf does, "owner/name:Q4_K_M"."""
    typed = query.strip()
    repo, _, chosen = typed.partition(":")
    if chosen and _FORMAT.fullmatch(chosen):
        valid = as_repo_id(repo)
        return GgufName(valid, format=chosen) if valid else None
    parts = typed.split("/")
    if len(parts) < 3 or not typed.lower().endswith(".gguf") or ".." in parts:
        return None
    valid = as_repo_id("/".join(parts[:2]))
    return GgufName(valid, path="/".join(parts[2:])) if valid else None


def chosen_parts(repo: RepoFacts, name: GgufName) -> tuple[HubFile, ...]:
    """The file, or all parts of it, in order; empty where the name fits none or several."""
    models = [file for file in repo.files if is_gguf_model(file.path)]
    if name.path is not None:
        models = [file for file in models if _stem(file.path) == _stem(name.path)]
    elif name.format is not None:
        models = [
            file for file in models if (format_of(file.path) or "").upper() == name.format.upper()
        ]
    if len({_stem(file.path) for file in models}) != 1:
        return ()
    return tuple(sorted(models, key=lambda file: file.path))


async def gguf_spec(
    repo: RepoFacts, parts: Sequence[HubFile], read: ReadFile, model_id: str, source: str
) -> ModelSpec:
    """The spec the headers of all parts state, with what the repository says of itself.

    Raises InputTooLarge for more than 32 parts, MalformedFile, UnsupportedArchitecture, and what
    `read` raises.
    """
    if len(parts) > _MAX_PARTS:
        raise InputTooLarge(
            f"{model_id} consists of {len(parts)} files: at most {_MAX_PARTS} headers are read",
            field="model",
            hint="name the repository instead",
        )
    headers: dict[int, GgufHeader] = {}
    for start in range(0, len(parts), _AT_ONCE):
        await _read_all(parts, range(start, min(start + _AT_ONCE, len(parts))), read, headers)
    header = merge_splits(list(headers.values())) if len(parts) > 1 else headers[0]
    spec = spec_from_gguf(header, model_id=model_id, source=source)
    return spec.model_copy(
        update={
            "revision": repo.sha,
            "license": repo.license or spec.license,
            "gated": repo.gated,
            "release_date": repo.created,
            "stored_bytes": total_bytes(parts),
        }
    )


async def _read_all(
    parts: Sequence[HubFile],
    indices: range,
    read: ReadFile,
    headers: dict[int, GgufHeader],
) -> None:
    failed: list[WhichweightsError] = []

    async def one(index: int) -> None:
        file = parts[index]

        async def piece(offset: int, length: int) -> bytes:
            return await read(file, offset, length)

        try:
            headers[index] = await read_gguf(piece, file_bytes=file.size_bytes)
        except WhichweightsError as error:  # raised below: a group would hide its kind
            failed.append(error)

    async with anyio.create_task_group() as group:
        for index in indices:
            group.start_soon(one, index)
    if failed:
        raise failed[0]


def _stem(path: str) -> str:
    split = split_name(path)
    return split.stem if split else path
