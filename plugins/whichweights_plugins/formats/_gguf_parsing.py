"""Walks the bytes of a GGUF header as they arrive, within fixed limits of memory and time.

Source: the GGUF specification (ggml/docs/gguf.md) and the checks of llama.cpp's gguf.cpp.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from whichweights_plugins.formats._gguf_types import REMOVED_TENSOR_TYPES, TENSOR_TYPES
from whichweights_plugins.formats._malformed import TruncatedFile, malformed

MAGIC: Final = b"GGUF"
VERSIONS: Final = (2, 3)

MAX_HEADER_BYTES: Final = 64 * 2**20
"""Published headers reach some 20 MB (tokenizers of 260,000 pieces)."""

MAX_KEYS: Final = 10_000
MAX_TENSORS: Final = 200_000
"""Published files have at most some 20,000 (experts stored one by one)."""

MAX_DIMENSIONS: Final = 4
MAX_KEY_BYTES: Final = 65_535
MAX_TENSOR_NAME_BYTES: Final = 1024
MAX_ARRAY_DEPTH: Final = 4
MAX_KEPT_ARRAY: Final = 2**20
"""Values of an array that is kept by request; the largest in use are 514,906 merges (Gemma 4)."""

MAX_ARRAY_VALUES: Final = 16 * 2**20
"""Values of all variable-length arrays of one header together; walking them takes time."""

KEPT_VALUES: Final = 4096
"""Of longer arrays (tokenizers) only the length is kept."""

KEPT_TEXT_BYTES: Final = 2**20
"""Longer texts are cut; chat templates have some 100 KB."""

_MAX_ALIGNMENT: Final = 2**20
_MAX_ELEMENTS: Final = 2**62
_STRING, _ARRAY = 8, 9
_SCALARS: Final = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_U32: Final = struct.Struct("<I")
_U64: Final = struct.Struct("<Q")

GgufScalar = int | float | bool | str


@dataclass(frozen=True, slots=True)
class GgufArray:
    """An array: its length, and its values unless it is nested, or long and not asked for."""

    length: int
    values: tuple[GgufScalar, ...] = ()


GgufValue = GgufScalar | GgufArray


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """One tensor as the header states it: row length first, `offset` within the data section."""

    name: str
    shape: tuple[int, ...]
    type_name: str
    offset: int
    size_bytes: int

    @property
    def elements(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)


class _More(Exception):
    """The buffer ends inside an item that needs this many bytes of the file."""

    def __init__(self, needed: int) -> None:
        super().__init__()
        self.needed = needed


@dataclass(slots=True)
class HeaderParser:
    """Takes a header piece by piece; consumed bytes are dropped.

    Feed it until `done`; `needed` = the least length of the file's start the next step wants.
    `kept` = keys whose arrays are kept whole; of others only up to KEPT_VALUES.
    """

    kept: frozenset[str] = frozenset()
    metadata: dict[str, GgufValue] = field(default_factory=dict[str, GgufValue])
    tensors: list[GgufTensor] = field(default_factory=list[GgufTensor])
    version: int = 0
    done: bool = False
    needed: int = 24
    _buffer: bytes = b""
    _base: int = 0
    _position: int = 0
    _counts: tuple[int, int] | None = None
    _values: int = 0
    _most: int = KEPT_VALUES
    _names: set[str] = field(default_factory=set[str])

    @property
    def header_bytes(self) -> int:
        """Where the parser stands in the file; once done, the end of the tensor list."""
        return self._base + self._position

    @property
    def received(self) -> int:
        """How many bytes of the file it was fed."""
        return self._base + len(self._buffer)

    @property
    def alignment(self) -> int:
        """Alignment of the data section in bytes.

        Raises:
            MalformedFile: no power of two, or beyond 1 MiB.
        """
        value = self.metadata.get("general.alignment", 32)
        if not isinstance(value, int) or not 1 <= value <= _MAX_ALIGNMENT or value & (value - 1):
            raise malformed("the GGUF alignment is no power of two")
        return value

    def feed(self, data: bytes) -> None:
        """Takes the next bytes of the file and parses as far as they reach.

        Raises:
            MalformedFile: the header breaks the rules, or a limit of this module.
        """
        self._buffer = self._buffer[self._position :] + data
        self._base += self._position
        self._position = 0
        try:
            for _ in self._steps():
                pass
            self.done = True
        except _More as more:
            self.needed = more.needed
            if more.needed > MAX_HEADER_BYTES:
                raise malformed(f"a GGUF header of more than {MAX_HEADER_BYTES:,} bytes") from None

    def cut_off(self) -> TruncatedFile:
        """The error for a file that ends where the parser stands."""
        return TruncatedFile("the GGUF header is cut off", self.needed)

    def _steps(self) -> Iterator[None]:
        """One item at a time; an item that is not whole yet leaves no trace."""
        if self._counts is None:
            self._counts = self._start()
            yield
        tensors, keys = self._counts
        while len(self.metadata) < keys:
            start = self._position
            try:
                key, value = self._pair()
            except _More:
                self._position = start
                raise
            self.metadata[key] = value
            yield
        while len(self.tensors) < tensors:
            start = self._position
            try:
                tensor = self._tensor()
            except _More:
                self._position = start
                raise
            self._names.add(tensor.name)
            self.tensors.append(tensor)
            yield

    def _start(self) -> tuple[int, int]:
        head = self._peek(24)
        if head[:4] != MAGIC:
            raise malformed("the file is no GGUF: it does not start with its magic")
        version = _U32.unpack_from(head, 4)[0]
        if version not in VERSIONS:
            swapped = int.from_bytes(head[4:8], "big") in VERSIONS
            what = "is big-endian" if swapped else f"has version {version}"
            raise malformed(f"the GGUF file {what}; versions 2 and 3, little-endian, are read")
        tensors, keys = struct.unpack_from("<QQ", head, 8)
        if tensors > MAX_TENSORS or keys > MAX_KEYS:
            raise malformed(f"a GGUF header with {keys:,} keys and {tensors:,} tensors")
        self.version, self._position = version, 24
        return tensors, keys

    def _peek(self, count: int) -> bytes:
        end = self._position + count
        if end > len(self._buffer):
            raise _More(self._base + end)
        return self._buffer[self._position : end]

    def _take(self, count: int) -> bytes:
        taken = self._peek(count)
        self._position += count
        return taken

    def _skip(self, count: int) -> None:
        end = self._position + count
        if end > len(self._buffer):
            raise _More(self._base + end)
        self._position = end

    def _text(self, most: int, what: str) -> str:
        length = _U64.unpack(self._take(8))[0]
        if length > most:
            raise malformed(f"{what} of {length:,} bytes in a GGUF header")
        kept = self._peek(length)[:KEPT_TEXT_BYTES]
        self._position += length
        return kept.decode("utf-8", errors="replace")

    def _pair(self) -> tuple[str, GgufValue]:
        key = self._text(MAX_KEY_BYTES, "a key")
        if not key or key in self.metadata:
            raise malformed(f"the GGUF key {key[:80]!r} is empty or comes twice")
        kind = _U32.unpack(self._take(4))[0]
        before = self._values
        self._most = MAX_KEPT_ARRAY if key in self.kept else KEPT_VALUES
        try:
            return key, self._value(kind, 0)
        except _More:
            self._values = before
            raise

    def _value(self, kind: int, depth: int) -> GgufValue:
        if kind in _SCALARS:
            return self._scalar(kind)
        if kind == _STRING:
            return self._text(MAX_HEADER_BYTES, "a text")
        if kind == _ARRAY:
            return self._array(depth)
        raise malformed(f"a GGUF value of the unknown type {kind}")

    def _scalar(self, kind: int) -> GgufScalar:
        layout = _SCALARS[kind]
        raw = self._take(struct.calcsize(layout))
        if kind == 7 and raw[0] > 1:
            raise malformed("a GGUF boolean that is neither 0 nor 1")
        value = struct.unpack(layout, raw)[0]
        return value if isinstance(value, bool | int) else float(value)

    def _array(self, depth: int) -> GgufArray:
        if depth >= MAX_ARRAY_DEPTH:
            raise malformed("GGUF arrays nested too deeply")
        kind, length = struct.unpack("<IQ", self._take(12))
        if kind in _SCALARS:
            return self._scalars(kind, length)
        if kind not in (_STRING, _ARRAY):
            raise malformed(f"a GGUF array of the unknown type {kind}")
        self._values += length
        if self._values > MAX_ARRAY_VALUES:
            raise malformed(f"GGUF arrays of more than {MAX_ARRAY_VALUES:,} values")
        if kind == _ARRAY:
            for _ in range(length):
                self._array(depth + 1)
            return GgufArray(length)
        return GgufArray(length, self._texts(length))

    def _scalars(self, kind: int, length: int) -> GgufArray:
        layout = _SCALARS[kind]
        width = struct.calcsize(layout)
        if length * width > MAX_HEADER_BYTES:
            raise malformed(f"a GGUF array of {length:,} values")
        if length > self._most:
            self._skip(length * width)
            return GgufArray(length)
        raw = self._take(length * width)
        return GgufArray(length, struct.unpack(f"<{length}{layout[1]}", raw))

    def _texts(self, length: int) -> tuple[str, ...]:
        """Texts of an array; a long one is only walked. The loop is the hot spot of a header."""
        if length <= self._most:
            return tuple(self._text(MAX_HEADER_BYTES, "a text") for _ in range(length))
        buffer, position, end = self._buffer, self._position, len(self._buffer)
        unpack = _U64.unpack_from
        for _ in range(length):
            if position + 8 > end:
                raise _More(self._base + position + 8)
            position += 8 + unpack(buffer, position)[0]
            if position > end:
                raise _More(self._base + position)
        self._position = position
        return ()

    def _tensor(self) -> GgufTensor:
        name = self._text(MAX_TENSOR_NAME_BYTES, "a tensor name")
        if not name or name in self._names:
            raise malformed(f"the GGUF tensor {name[:80]!r} is unnamed or comes twice")
        count = _U32.unpack(self._take(4))[0]
        if count > MAX_DIMENSIONS:
            raise malformed(f"tensor {name[:80]!r} has {count:,} dimensions")
        shape = struct.unpack(f"<{count}Q", self._take(8 * count))
        kind, offset = struct.unpack("<IQ", self._take(12))
        return GgufTensor(name, shape, *_measured(name, shape, kind, offset))


def _measured(name: str, shape: tuple[int, ...], kind: int, offset: int) -> tuple[str, int, int]:
    """Type, offset and bytes of a tensor, checked."""
    known = TENSOR_TYPES.get(kind)
    if known is None:
        why = "that llama.cpp no longer loads" if kind in REMOVED_TENSOR_TYPES else "not known here"
        raise malformed(f"tensor {name[:80]!r} has type {kind}, {why}")
    elements = math.prod(shape)
    if elements > _MAX_ELEMENTS or offset > _MAX_ELEMENTS:
        raise malformed(f"tensor {name[:80]!r} is larger than any file")
    row = shape[0] if shape else 1
    if row % known.block:
        raise malformed(f"tensor {name[:80]!r}: rows of {row:,} do not fill {known.name} blocks")
    return known.name, offset, elements // known.block * known.size
