"""Reads the header of a safetensors file: tensors, exact bytes, and how many weights they hold."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from whichweights_plugins.formats._malformed import MalformedFile, TruncatedFile, malformed
from whichweights_plugins.formats._safetensors_packing import WeightCount, count_weights

__all__ = [
    "LENGTH_BYTES",
    "MAX_HEADER_BYTES",
    "ReadRange",
    "SafetensorsHeader",
    "SafetensorsTensor",
    "header_length",
    "parse_header",
    "read_header",
    "weights_of",
]

LENGTH_BYTES: Final = 8
"""The file starts with the header's length, a little-endian 64-bit number."""

MAX_HEADER_BYTES: Final = 100_000_000
"""The limit of the reference implementation (safetensors, MAX_HEADER_SIZE)."""

MAX_TENSORS: Final = 1_000_000
MAX_DIMENSIONS: Final = 16
_MAX_OFFSET: Final = 2**63

_BITS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
}
"""Bits of one stored element (safetensors, Dtype). Packed formats store several weights in one."""

ReadRange = Callable[[int, int], Awaitable[bytes]]
"""Reads `length` bytes at `offset`; fewer only at the end of the file."""


@dataclass(frozen=True, slots=True)
class SafetensorsTensor:
    """One tensor as the header states it; `start` counts from the end of the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    size_bytes: int

    @property
    def elements(self) -> int:
        """Stored elements; packed formats hold several weights in one."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class SafetensorsHeader:
    """The header of one file: its tensors in order of name, and the free metadata."""

    tensors: tuple[SafetensorsTensor, ...]
    metadata: Mapping[str, str]
    header_bytes: int

    @property
    def data_bytes(self) -> int:
        """Bytes of all tensors, exact."""
        return sum(tensor.size_bytes for tensor in self.tensors)

    @property
    def file_bytes(self) -> int:
        """Bytes of the whole file."""
        return LENGTH_BYTES + self.header_bytes + self.data_bytes

    @property
    def elements_by_dtype(self) -> dict[str, int]:
        """Stored elements of each dtype, as the Hub counts them."""
        found: Counter[str] = Counter()
        for tensor in self.tensors:
            found[tensor.dtype] += tensor.elements
        return dict(found)

    @property
    def bytes_by_dtype(self) -> dict[str, int]:
        """Bytes of each dtype."""
        found: Counter[str] = Counter()
        for tensor in self.tensors:
            found[tensor.dtype] += tensor.size_bytes
        return dict(found)


def header_length(start: bytes) -> int:
    """Length of the header in bytes, from the first eight bytes of the file.

    Raises:
        TruncatedFile: fewer than eight bytes.
        MalformedFile: no honest header has that length.
    """
    if len(start) < LENGTH_BYTES:
        raise TruncatedFile("the file is shorter than a safetensors length field", LENGTH_BYTES)
    length = int.from_bytes(start[:LENGTH_BYTES], "little")
    if not 2 <= length <= MAX_HEADER_BYTES:
        raise malformed(f"a safetensors header of {length:,} bytes: the limit is 100,000,000")
    return length


def parse_header(data: bytes, *, file_bytes: int | None = None) -> SafetensorsHeader:
    """The header at the start of `data`; with `file_bytes`, checked against the file's size.

    Raises:
        TruncatedFile: `data` ends before the header; `needed` says how much there must be.
        MalformedFile: the header breaks the rules of the format, or the file's size does not fit.
    """
    length = header_length(data)
    if len(data) < LENGTH_BYTES + length:
        raise TruncatedFile("the safetensors header is cut off", LENGTH_BYTES + length)
    document = _document(data[LENGTH_BYTES : LENGTH_BYTES + length])
    metadata = _metadata(document.pop("__metadata__", None))
    if len(document) > MAX_TENSORS:
        raise malformed(f"a safetensors header with {len(document):,} tensors")
    tensors = tuple(_tensor(name, document[name]) for name in sorted(document))
    _check_layout(tensors)
    header = SafetensorsHeader(tensors, metadata, length)
    if file_bytes is not None and file_bytes != header.file_bytes:
        problem = f"the header describes {header.file_bytes:,} bytes, the file has {file_bytes:,}"
        if file_bytes < header.file_bytes:
            raise TruncatedFile(problem, header.file_bytes)
        raise malformed(problem)
    return header


async def read_header(
    read: ReadRange, *, file_bytes: int | None = None, first: int = 100_000
) -> SafetensorsHeader:
    """The header of a file behind a range reader, in one or two reads. Raises as `parse_header`."""
    start = await read(0, first)
    length = LENGTH_BYTES + header_length(start)
    if length > len(start) >= first:
        start += await read(len(start), length - len(start))
    return parse_header(start, file_bytes=file_bytes)


def weights_of(headers: Iterable[SafetensorsHeader], *, bits: int | None = None) -> WeightCount:
    """Weights and bytes of all files of a model, packed formats understood.

    `bits` = width of packed codes as the config states it; needed for GPTQ, AWQ and MLX at other
    widths than 4.
    """
    shapes = {
        tensor.name: (tensor.dtype, tensor.shape, tensor.size_bytes)
        for header in headers
        for tensor in header.tensors
    }
    return count_weights(shapes, bits=bits)


def _document(text: bytes) -> dict[str, object]:
    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise malformed("a safetensors header names a tensor twice")
        return found

    try:
        document = json.loads(text.decode("utf-8"), object_pairs_hook=unique)
    except MalformedFile:
        raise
    except (ValueError, RecursionError) as error:
        raise malformed("the safetensors header is no JSON") from error
    if not isinstance(document, dict):
        raise malformed("the safetensors header is no JSON object")
    return cast("dict[str, object]", document)


def _metadata(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise malformed("the metadata of the safetensors header is no object")
    pairs = cast("dict[str, object]", value)
    if not all(isinstance(text, str) for text in pairs.values()):
        raise malformed("the metadata of the safetensors header holds something other than text")
    return {key: str(text) for key, text in pairs.items()}


def _tensor(name: str, value: object) -> SafetensorsTensor:
    if not isinstance(value, dict):
        raise malformed(f"tensor {name[:80]!r} is no object")
    fields = cast("dict[str, object]", value)
    dtype, shape = fields.get("dtype"), _numbers(name, fields.get("shape"), MAX_DIMENSIONS)
    offsets = _numbers(name, fields.get("data_offsets"), 2)
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise malformed(f"tensor {name[:80]!r} has the unknown dtype {str(dtype)[:20]!r}")
    if len(offsets) != 2 or offsets[1] < offsets[0]:
        raise malformed(f"tensor {name[:80]!r} has impossible offsets")
    size = offsets[1] - offsets[0]
    if math.prod(shape) * _BITS[dtype] != 8 * size:
        raise malformed(f"tensor {name[:80]!r}: {size:,} bytes do not fit its shape")
    return SafetensorsTensor(name, dtype, shape, offsets[0], size)


def _numbers(name: str, value: object, most: int) -> tuple[int, ...]:
    if not isinstance(value, list) or len(cast("list[object]", value)) > most:
        raise malformed(f"tensor {name[:80]!r} lacks a shape or its offsets")
    found: list[int] = []
    for item in cast("list[object]", value):
        if isinstance(item, bool) or not isinstance(item, int) or not 0 <= item < _MAX_OFFSET:
            raise malformed(f"tensor {name[:80]!r} has an impossible number")
        found.append(item)
    return tuple(found)


def _check_layout(tensors: tuple[SafetensorsTensor, ...]) -> None:
    """The format allows neither holes nor overlaps."""
    end = 0
    for tensor in sorted(tensors, key=lambda tensor: (tensor.start, tensor.size_bytes)):
        if tensor.start != end:
            raise malformed(f"tensor {tensor.name[:80]!r} leaves a hole or overlaps another")
        end += tensor.size_bytes
