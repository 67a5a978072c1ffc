"""Reads the headers of weight files on this machine, and nothing behind them. All blocking."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from whichweights_plugins.formats._malformed import MalformedFile, malformed
from whichweights_plugins.formats.gguf_header import GgufHeader, merge_splits, read_gguf
from whichweights_plugins.formats.safetensors_header import SafetensorsHeader, read_header
from whichweights_schemas.errors import InvalidArgument

__all__ = ["read_config", "read_gguf_parts", "read_safetensors", "read_whole_gguf"]

MAX_CONFIG_BYTES: Final = 16 * 2**20
_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)  # the path is resolved: a link here came after the check
    | getattr(os, "O_NONBLOCK", 0)  # a pipe would wait for its writer
)
T = TypeVar("T")
_Read = Callable[[int, int], Awaitable[bytes]]


def read_safetensors(files: Sequence[Path]) -> list[SafetensorsHeader]:
    """The header of each file, checked against its size. Raises MalformedFile."""
    return [
        _with_file(file, lambda read, size: read_header(read, file_bytes=size)) for file in files
    ]


def read_gguf_parts(files: Sequence[Path]) -> GgufHeader:
    """The header of a file, or the one of all its parts. Raises MalformedFile."""
    headers = [
        _with_file(file, lambda read, size: read_gguf(read, file_bytes=size)) for file in files
    ]
    return merge_splits(headers) if len(headers) > 1 else headers[0]


def read_whole_gguf(file: Path, kept: frozenset[str]) -> GgufHeader:
    """The header of one file with the long arrays of those keys. Raises MalformedFile."""
    return _with_file(file, lambda read, _size: read_gguf(read, kept=kept))


def read_config(file: Path) -> dict[str, object]:
    """A config.json. Raises MalformedFile where it is no JSON object or too large to be one."""

    async def whole(read: _Read, size: int) -> bytes:
        if size > MAX_CONFIG_BYTES:
            raise malformed(f"{size:,} bytes are too many for a config")
        return await read(0, size)

    try:
        document: Any = json.loads(_with_file(file, whole))
    except (ValueError, RecursionError) as error:
        raise malformed(f"{file.name} is no JSON") from error
    if not isinstance(document, dict) or not document:
        raise malformed(f"{file.name} is no JSON object with anything in it")
    return cast("dict[str, object]", document)


def _with_file(file: Path, work: Callable[[_Read, int], Awaitable[T]]) -> T:
    """What `work` makes of a reader of the file and of its size."""
    try:
        handle = os.open(file, _FLAGS)
    except OSError as error:
        raise _unreadable(file, error) from error
    try:
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode):
            raise malformed(f"{file.name} is no file")

        async def read(offset: int, length: int) -> bytes:
            return _piece(handle, offset, length)

        return _finish(work(read, state.st_size))
    except MalformedFile as error:
        error.message = f"{file.name}: {error.message}"
        error.args = (error.message,)
        raise
    except OSError as error:
        raise _unreadable(file, error) from error
    finally:
        os.close(handle)


def _piece(handle: int, offset: int, length: int) -> bytes:
    """Bytes at an offset; fewer only at the end of the file."""
    os.lseek(handle, offset, os.SEEK_SET)
    pieces: list[bytes] = []
    while length > 0:
        piece = os.read(handle, min(length, 2**24))
        if not piece:
            break
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


def _finish(reading: Awaitable[T]) -> T:
    """The result of a reader that never waits: a local file is read in this thread."""
    steps = reading.__await__()
    try:
        next(steps)
    except StopIteration as done:
        return cast("T", done.value)
    raise RuntimeError("a reader of a local file waited for something")


def _unreadable(file: Path, error: OSError) -> InvalidArgument:
    return InvalidArgument(
        f"{file.name} cannot be read ({error.strerror or type(error).__name__})",
        field="model",
        hint="check that the file is there and may be read",
    )
