"""One GGUF file of a repository: its header is read by range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import anyio

from whichweights_plugins.formats.gguf_header import (
    GgufHeader,
    merge_splits,
    read_gguf,
)
from whichweights_plugins.formats.gguf_spec import spec_from_gguf
from whichweights_plugins.hub.facts import HubFile, RepoFacts
from whichweights_plugins.hub.reading import ReadFile
from whichweights_plugins.hub.weight_files import total_bytes
from whichweights_schemas.errors import InputTooLarge, WhichweightsError
from whichweights_schemas.models import ModelSpec

__all__ = ["gguf_spec"]

_MAX_PARTS: Final = 32
_AT_ONCE: Final = 4


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
