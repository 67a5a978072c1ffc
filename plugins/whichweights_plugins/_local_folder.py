"""What of a path belongs to one model: its weight files with their sizes, its config. Blocking."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from whichweights_plugins.formats.gguf_header import split_name
from whichweights_plugins.hub.facts import MAX_FILES, HubFile
from whichweights_plugins.hub.weight_files import file_stem, is_gguf_model, model_weights
from whichweights_schemas.errors import (
    AmbiguousModel,
    InvalidArgument,
    ModelNotFound,
    PathNotAllowed,
)

__all__ = ["SUFFIXES", "LocalModel", "local_model", "missing_parts"]

SUFFIXES: Final = (".gguf", ".safetensors", "config.json")
_SHOWN: Final = 8

Allow = Callable[[Path], Path]
"""The real path of a file, or PathNotAllowed."""


@dataclass(frozen=True, slots=True)
class LocalModel:
    """The files of one model: `weights` are one complete set, or as much of it as is there.

    `files` = everything to list; `allow` tells the real path of a file of the folder.
    """

    folder: Path
    weights: tuple[HubFile, ...]
    config: Path | None
    files: tuple[HubFile, ...]
    allow: Allow

    @property
    def container(self) -> str:
        """Suffix of the weight files; "" where there are none."""
        return self.weights[0].path.rpartition(".")[2].lower() if self.weights else ""

    @property
    def paths(self) -> list[Path]:
        """The real paths of the weight files."""
        return [self.allow(self.folder / file.path) for file in self.weights]

    @property
    def projectors(self) -> tuple[HubFile, ...]:
        """Vision projectors that lie beside the model."""
        return tuple(
            file
            for file in self.files
            if file.path.lower().endswith(".gguf") and "mmproj" in file.path.lower()
        )


def local_model(given: str, allow: Allow) -> LocalModel:
    """The model a folder or a file is.

    Raises ModelNotFound where there is none, AmbiguousModel for a folder with several GGUF models,
    and what `allow` raises.
    """
    path = Path(given).expanduser()
    real = allow(path)
    try:
        mode = real.stat().st_mode
    except OSError:
        raise _nothing(given, "there is no such file or folder") from None
    if stat.S_ISDIR(mode):
        return _of_folder(given, path, allow)
    if not stat.S_ISREG(mode):
        raise _nothing(given, "it is neither a file nor a folder")
    if not path.name.lower().endswith(SUFFIXES):
        raise InvalidArgument(
            f"{given} is no file that is understood here",
            field="model",
            hint="name a .gguf or .safetensors file, a config.json, or the folder of a model",
        )
    if path.name.lower().endswith("config.json"):
        return LocalModel(path.parent, (), path, (_sized(path),), allow)
    return _of_file(path, allow)


def missing_parts(weights: tuple[HubFile, ...]) -> str | None:
    """Which parts of a split model are not there, in words."""
    stated = [found for file in weights if (found := _part(file.path)) is not None]
    if not stated:
        return None
    count = max(found[1] for found in stated)
    here = {found[0] for found in stated}
    absent = [number for number in range(1, count + 1) if number not in here]
    if not absent:
        return None
    return f"{len(absent)} of {count} parts are not here, the first of them {absent[0]}"


def _part(name: str) -> tuple[int, int] | None:
    stem = name.rpartition(".")[0]
    found = split_name(f"{stem}.gguf")
    return (found.number, found.count) if found else None


def _of_folder(given: str, folder: Path, allow: Allow) -> LocalModel:
    files = tuple(_listing(folder, allow, lambda name: name.lower().endswith(SUFFIXES)))
    config = folder / "config.json"
    weights = model_weights(files)
    models = {file_stem(file.path): file for file in files if is_gguf_model(file.path)}
    if not weights and len(models) > 1:
        raise AmbiguousModel(
            f"{given} holds {len(models)} GGUF models",
            field="model",
            hint="name one of the files",
            suggestions=[str(folder / file.path) for _, file in sorted(models.items())][:_SHOWN],
        )
    has_config = any(file.path == config.name for file in files)
    if not weights and not has_config:
        raise _nothing(given, "it holds no config.json, .safetensors or .gguf file")
    return LocalModel(folder, weights, config if has_config else None, files, allow)


def _of_file(path: Path, allow: Allow) -> LocalModel:
    """One file with its parts; a checkpoint's config lies beside it, and projectors may."""
    stem = file_stem(path.name)
    beside = tuple(_listing(path.parent, allow, lambda name: file_stem(name) == stem))
    parts = tuple(
        file for file in beside if file_stem(file.path) == stem and file.size_bytes is not None
    ) or (_sized(path),)
    is_gguf = path.name.lower().endswith(".gguf")
    related = tuple(
        file for file in beside if is_gguf and "mmproj" in file.path.lower() and file not in parts
    )
    whole = not is_gguf and not path.name.lower().startswith("adapter")
    config = path.parent / "config.json"
    with_config = whole and any(file.path == config.name for file in beside)
    return LocalModel(
        path.parent,
        tuple(sorted(parts, key=lambda file: file.path)),
        config if with_config else None,
        (*parts, *related),
        allow,
    )


def _listing(folder: Path, allow: Allow, needed: Callable[[str], bool]) -> Iterator[HubFile]:
    """The files of a folder with their sizes; links out are refused if needed, else left out."""
    try:
        names = sorted(os.listdir(folder))[:MAX_FILES]
    except OSError as error:
        raise InvalidArgument(
            f"{folder.name} cannot be listed ({error.strerror})",
            field="model",
            hint="check that the folder may be read",
        ) from error
    for name in names:
        try:
            state = allow(folder / name).stat()
        except PathNotAllowed:
            if needed(name):
                raise
            continue
        except OSError:  # a link that leads nowhere
            continue
        if stat.S_ISREG(state.st_mode):
            yield HubFile(name, state.st_size)


def _sized(path: Path) -> HubFile:
    return HubFile(path.name, path.stat().st_size)


def _nothing(given: str, why: str) -> ModelNotFound:
    return ModelNotFound(
        f"no model at {given[:200]}: {why}",
        field="model",
        hint='check the path, or name the model it holds, such as "llama 3.1 8b"',
    )
