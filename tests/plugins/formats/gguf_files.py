"""GGUF files for the tests: real ones written by the gguf package, and hostile ones by hand."""

from __future__ import annotations

import importlib
import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

# The package has no complete types.
gguf: Any = importlib.import_module("gguf")

Shapes = Mapping[str, Sequence[int]]
"""Name → shape, row length first, as GGUF states it."""


def written(
    path: Path,
    architecture: str,
    metadata: Mapping[str, Any],
    tensors: Shapes,
    types: Mapping[str, str] | None = None,
) -> Path:
    """A whole file with zero weights; a tensor without a type is F32."""
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in metadata.items():
        _add(
            writer,
            key
            if key.startswith(("general.", "tokenizer.", "quantize."))
            else f"{architecture}.{key}",
            value,
        )
    for name, shape in tensors.items():
        kind = gguf.GGMLQuantizationType[(types or {}).get(name, "F32")]
        block, size = gguf.GGML_QUANT_SIZES[kind]
        row = shape[0] // block * size
        data = np.zeros((*reversed(shape[1:]), row), dtype=np.uint8)
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add(writer: Any, key: str, value: Any) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    else:
        writer.add_array(key, value)


def text(value: str | bytes) -> bytes:
    """A GGUF string."""
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def pair(key: str, kind: int, payload: bytes) -> bytes:
    """A key with a value of that type."""
    return text(key) + struct.pack("<I", kind) + payload


def tensor(name: str, shape: Sequence[int], kind: int = 0, offset: int = 0) -> bytes:
    """One entry of the tensor list."""
    sides = struct.pack(f"<{len(shape)}Q", *shape)
    return text(name) + struct.pack("<I", len(shape)) + sides + struct.pack("<IQ", kind, offset)


def by_hand(
    pairs: Sequence[bytes] = (),
    tensors: Sequence[bytes] = (),
    *,
    version: int = 3,
    counts: tuple[int, int] | None = None,
) -> bytes:
    """A header; `counts` (tensors, keys) may lie."""
    claimed = counts or (len(tensors), len(pairs))
    return b"GGUF" + struct.pack("<IQQ", version, *claimed) + b"".join(pairs) + b"".join(tensors)


def weights(tensors: Shapes) -> int:
    """Weights of all these tensors."""
    return sum(math.prod(shape) for shape in tensors.values())
