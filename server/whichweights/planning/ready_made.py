"""Quantized copies that somebody published already: which of them are a given format."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from whichweights.planning.formats import DecodedTag, decode_tag
from whichweights_schemas.errors import UnknownQuantization
from whichweights_schemas.models import ModelFile, ModelRelative

__all__ = ["ReadyFile", "files_of_format", "is_gguf_copy", "repositories_of_format"]

_WEIGHTS: Final = (".safetensors", ".bin", ".pt")


@dataclass(frozen=True, slots=True)
class ReadyFile:
    """A published copy. `file` is None for a repository of several weight files, `parts` counts
    the pieces of a split file. `imatrix` None: neither name nor type tells."""

    repo: str
    file: str | None
    size_bytes: int | None
    publisher: str
    downloads: int | None
    imatrix: bool | None
    parts: int = 1


def is_gguf_copy(relative: ModelRelative) -> bool:
    """Whether a repository holds GGUF files, by its name or what its provider says of it."""
    return "gguf" in f"{relative.id} {relative.note or ''}".lower()


def repositories_of_format(
    relatives: Iterable[ModelRelative], format_name: str, *, in_gguf: bool
) -> tuple[ModelRelative, ...]:
    """The quantized relatives that are, or (GGUF) may hold, this format; most downloads first."""
    found = [
        relative
        for relative in relatives
        if relative.relation == "quantized" and _may_hold(relative, format_name, in_gguf=in_gguf)
    ]
    return tuple(sorted(found, key=lambda relative: -(relative.downloads or 0)))


def _may_hold(relative: ModelRelative, format_name: str, *, in_gguf: bool) -> bool:
    if in_gguf:
        return is_gguf_copy(relative)
    decoded = _decoded(relative.id)
    return decoded is not None and decoded.canonical == format_name and not is_gguf_copy(relative)


def _decoded(name: str) -> DecodedTag | None:
    try:
        return decode_tag(name)
    except UnknownQuantization:
        return None


def files_of_format(
    relative: ModelRelative, files: Sequence[ModelFile], format_name: str
) -> ReadyFile | None:
    """The copy of this format in a repository with its real size; None where it holds none.

    Parts of a split GGUF are added up. A checkpoint counts with all its weight files.
    """
    publisher = relative.publisher or relative.id.partition("/")[0]
    if not is_gguf_copy(relative):
        sizes = [file.size_bytes for file in files if file.path.endswith(_WEIGHTS)]
        size = sum(sizes) if sizes else relative.size_bytes
        return ReadyFile(relative.id, None, size, publisher, relative.downloads, None)
    matching = [
        (file, decoded)
        for file in sorted(files, key=lambda file: file.path)
        if file.path.endswith(".gguf") and (decoded := _decoded(file.path.rpartition("/")[2]))
    ]
    chosen = [
        (file, decoded)
        for file, decoded in matching
        if decoded.canonical == format_name and decoded.role == "model"
    ]
    if not chosen:
        return None
    first, decoded = chosen[0]
    count = decoded.shard[1] if decoded.shard else 1
    parts = chosen[:count] if decoded.shard else chosen[:1]
    return ReadyFile(
        relative.id,
        first.path,
        sum(file.size_bytes for file, _ in parts) if len(parts) == count else None,
        publisher,
        relative.downloads,
        _imatrix(relative, decoded),
        count,
    )


def _imatrix(relative: ModelRelative, decoded: DecodedTag) -> bool | None:
    """What the type or the name of file and repository tells ("i1-", "imatrix")."""
    lowered = relative.id.lower()
    if decoded.imatrix or "imat" in lowered or "i1-gguf" in lowered:
        return True
    return None
