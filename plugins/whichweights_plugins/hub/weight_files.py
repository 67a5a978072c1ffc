"""Which files of a repository hold its weights, and what the names of files say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from whichweights_plugins.hub.facts import HubFile
from whichweights_schemas.models import ModelFile

__all__ = [
    "file_stem",
    "format_of",
    "is_gguf_model",
    "listed_files",
    "model_weights",
    "total_bytes",
]

_SHARD: Final = re.compile(r"-(\d{5})-of-(\d{5})(?=\.[a-z]+$)")
_GGUF_FORMAT: Final = re.compile(
    r"(?i)(?<![a-z0-9])((?:ud-)?i?q[1-8]_[a-z0-9_]+|mxfp4(?:_moe)?|nvfp4|bf16|f16|f32|tq[12]_0)"
    r"(?=[-.]|$)"
)
_PREFERRED: Final = (
    re.compile(r"model[^/]*\.safetensors"),
    re.compile(r"(?!consolidated|adapter)[^/]*\.safetensors"),
    re.compile(r"consolidated[^/]*\.safetensors"),
    re.compile(r"pytorch_model[^/]*\.bin"),
)
"""Repositories often hold the same weights twice (Mistral: consolidated; old ones: .bin)."""

_WEIGHTS: Final = (".safetensors", ".gguf", ".bin", ".pt", ".pth", ".npz", ".h5", ".onnx")


def model_weights(files: Sequence[HubFile]) -> tuple[HubFile, ...]:
    """The files one loads: one complete set, not every copy. Empty where that is not clear."""
    for pattern in _PREFERRED:
        found = tuple(file for file in files if pattern.fullmatch(file.path))
        if found:
            return found
    models = [file for file in files if is_gguf_model(file.path)]
    return tuple(models) if len({_group(file.path)[0] for file in models}) == 1 else ()


def total_bytes(files: Iterable[HubFile]) -> int | None:
    """Bytes of all of them; None where there are none or a size is not known."""
    sizes = [file.size_bytes for file in files]
    known = [size for size in sizes if size is not None]
    return sum(known) if known and len(known) == len(sizes) else None


def listed_files(files: Sequence[HubFile], limit: int) -> tuple[ModelFile, ...]:
    """Rows for an answer: parts of one file as one row, weights first, the smallest first."""
    groups: dict[str, list[HubFile]] = {}
    for file in files:
        if file.size_bytes is not None:
            groups.setdefault(_group(file.path)[0], []).append(file)
    rows = [_row(path, parts) for path, parts in groups.items()]
    rows.sort(key=lambda row: (row.format is None, bool(row.note), row.size_bytes, row.path))
    return tuple(rows[:limit])


def file_stem(path: str) -> str:
    """The name that all parts of one file share."""
    return _group(path)[0]


def _row(path: str, parts: Sequence[HubFile]) -> ModelFile:
    size = sum(part.size_bytes or 0 for part in parts)
    stated = max(_group(part.path)[1] for part in parts)
    notes: list[str] = []
    if stated:
        found = len(parts)
        notes.append(f"{found} files" if found == stated else f"{found} of {stated} files")
    name = path.lower()
    if name.endswith(".gguf") and "mmproj" in name:
        notes.append("vision projector")
    elif "imatrix" in name:
        notes.append("importance matrix")
    return ModelFile(
        path=path, size_bytes=size, format=format_of(path), note=", ".join(notes) or None
    )


def format_of(path: str) -> str | None:
    """What the name says of the weights inside; None for a file that holds none."""
    name = path.rsplit("/", 1)[-1]
    if name.lower().endswith(".gguf"):
        found = _GGUF_FORMAT.findall(name.removesuffix(".gguf"))
        return found[-1].upper() if found else "GGUF"
    suffix = next((end for end in _WEIGHTS if name.lower().endswith(end)), None)
    if suffix is None or "imatrix" in name or name == "training_args.bin":
        return None
    return suffix.removeprefix(".")


def is_gguf_model(path: str) -> bool:
    """Whether it is the model itself, not what goes with one."""
    name = path.lower()
    return name.endswith(".gguf") and not any(word in name for word in ("mmproj", "imatrix"))


def _group(path: str) -> tuple[str, int]:
    """The name all parts of a file share, and how many parts it states (0 = whole)."""
    found = _SHARD.search(path)
    if found is None:
        return path, 0
    return f"{path[: found.start()]}-*-of-{found[2]}{path[found.end() :]}", int(found[2])
