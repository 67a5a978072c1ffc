"""Reads the header of a GGUF file: metadata, and every tensor with its type and exact bytes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from whichweights_plugins.formats._gguf_parsing import (
    MAX_HEADER_BYTES,
    GgufArray,
    GgufScalar,
    GgufTensor,
    GgufValue,
    HeaderParser,
)
from whichweights_plugins.formats._malformed import TruncatedFile, malformed

__all__ = [
    "GgufArray",
    "GgufHeader",
    "GgufTensor",
    "GgufValue",
    "SplitName",
    "merge_splits",
    "parse_gguf",
    "read_gguf",
    "split_name",
]

FIRST_READ_BYTES: Final = 2**20
_GROWTH: Final = 4
_MAX_SPLITS: Final = 10_000
_SPLIT: Final = re.compile(r"^(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf$", re.ASCII)

GgufContent = Literal["model", "mmproj", "adapter", "imatrix", "vocabulary"]
ReadRange = Callable[[int, int], Awaitable[bytes]]
"""Reads `length` bytes at `offset`; fewer only at the end of the file."""


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """The header of a GGUF file, or of all parts of a split one."""

    version: int
    metadata: Mapping[str, GgufValue]
    tensors: tuple[GgufTensor, ...]
    alignment: int
    data_offset: int
    parts: int = 1

    @property
    def architecture(self) -> str:
        """`general.architecture`, or "" where the file does not say."""
        return self.text("general.architecture") or ""

    @property
    def tensor_bytes(self) -> int:
        """Bytes of all tensors, exact, without padding."""
        return sum(tensor.size_bytes for tensor in self.tensors)

    @property
    def weights(self) -> int:
        """Number of weights in all tensors."""
        return sum(tensor.elements for tensor in self.tensors)

    @property
    def bytes_by_type(self) -> dict[str, int]:
        """Bytes of each tensor type, the largest first."""
        found: Counter[str] = Counter()
        for tensor in self.tensors:
            found[tensor.type_name] += tensor.size_bytes
        return dict(found.most_common())

    @property
    def split_count(self) -> int:
        """Parts the whole model consists of, as this file states it."""
        return self.integer("split.count") or 1

    @property
    def split_number(self) -> int:
        """Which part this file is, from 0."""
        return self.integer("split.no") or 0

    @property
    def content(self) -> GgufContent:
        """What the file holds: a model, or something that goes with one."""
        kind = self.text("general.type") or ""
        if kind == "mmproj" or self.architecture == "clip":
            return "mmproj"
        if kind in ("adapter", "imatrix"):
            return "adapter" if kind == "adapter" else "imatrix"
        return "model" if self.tensors or self.split_count > 1 else "vocabulary"

    def integer(self, key: str) -> int | None:
        """A whole number of the metadata, or None."""
        value = self.metadata.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def text(self, key: str) -> str | None:
        """A text of the metadata, or None."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) else None

    def values(self, key: str) -> tuple[GgufScalar, ...] | None:
        """The values of an array of the metadata, or None; empty where it is too long to keep."""
        value = self.metadata.get(key)
        return value.values if isinstance(value, GgufArray) else None


@dataclass(frozen=True, slots=True)
class SplitName:
    """What the name of a part says: the name they share, which part of how many (from 1)."""

    stem: str
    number: int
    count: int


def split_name(file_name: str) -> SplitName | None:
    """Takes "…-00001-of-00003.gguf" apart; None for the name of a whole file."""
    match = _SPLIT.match(file_name)
    if match is None:
        return None
    found = SplitName(match["stem"], int(match["number"]), int(match["count"]))
    return found if 1 <= found.number <= found.count else None


def parse_gguf(
    data: bytes, *, file_bytes: int | None = None, kept: frozenset[str] = frozenset()
) -> GgufHeader:
    """The header at the start of `data`; with `file_bytes`, checked against the file's size.

    Arrays of the keys in `kept` are kept whole, whatever their length.

    Raises:
        TruncatedFile: `data` ends before the header, or the file before its tensors.
        MalformedFile: the header breaks the rules of the format or the limits of this reader.
    """
    parser = HeaderParser(kept=kept)
    parser.feed(data)
    if not parser.done:
        raise parser.cut_off()
    return _finished(parser, file_bytes)


async def read_gguf(
    read: ReadRange, *, file_bytes: int | None = None, kept: frozenset[str] = frozenset()
) -> GgufHeader:
    """The header of a file behind a range reader; asks for more only as far as it must.

    A header below 1 MiB takes one read, one of 16 MiB three. Raises as `parse_gguf`.
    """
    parser, size = HeaderParser(kept=kept), FIRST_READ_BYTES
    while True:
        start = parser.received
        size = max(min(size, MAX_HEADER_BYTES - start), parser.needed - start)
        data = await read(start, size)
        parser.feed(data)
        if parser.done:
            return _finished(parser, file_bytes)
        if not data:
            raise parser.cut_off()
        size = parser.received * (_GROWTH - 1)


def _finished(parser: HeaderParser, file_bytes: int | None) -> GgufHeader:
    alignment = parser.alignment
    offset = -(-parser.header_bytes // alignment) * alignment
    end = _check_offsets(parser.tensors, alignment)
    if file_bytes is not None and parser.tensors and offset + end > file_bytes:
        raise TruncatedFile(
            f"the tensors end at byte {offset + end:,}, the file has {file_bytes:,}", offset + end
        )
    return GgufHeader(parser.version, parser.metadata, tuple(parser.tensors), alignment, offset)


def _check_offsets(tensors: Sequence[GgufTensor], alignment: int) -> int:
    """The end of the data section; tensors are aligned and do not overlap."""
    end = 0
    for tensor in sorted(tensors, key=lambda tensor: tensor.offset):
        if tensor.offset % alignment:
            raise malformed(f"tensor {tensor.name[:80]!r} is not aligned")
        if tensor.offset < end:
            raise malformed(f"tensor {tensor.name[:80]!r} overlaps another")
        end = tensor.offset + tensor.size_bytes
    return end


def merge_splits(headers: Sequence[GgufHeader]) -> GgufHeader:
    """One header of all parts of a split model, in any order; a whole file is its own merger.

    Raises:
        MalformedFile: parts are missing, come twice, or do not belong together.
    """
    if not headers or len(headers) > _MAX_SPLITS:
        raise malformed(f"{len(headers):,} parts of a split GGUF")
    ordered = sorted(headers, key=lambda header: header.split_number)
    first = ordered[0]
    if [header.split_number for header in ordered] != list(range(first.split_count)) or any(
        header.split_count != first.split_count for header in ordered
    ):
        raise malformed(f"{len(headers)} of {first.split_count} parts of a split GGUF")
    tensors = tuple(tensor for header in ordered for tensor in header.tensors)
    if len({tensor.name for tensor in tensors}) != len(tensors):
        raise malformed("two parts of a split GGUF hold the same tensor")
    stated = first.integer("split.tensors.count")
    if stated is not None and stated != len(tensors):
        raise malformed(f"the parts hold {len(tensors):,} tensors, the model has {stated:,}")
    return replace(first, tensors=tensors, parts=len(ordered))
