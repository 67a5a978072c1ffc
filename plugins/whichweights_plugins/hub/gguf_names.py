"""How people name one GGUF file of a repository."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from whichweights_plugins.hub.facts import HubFile, RepoFacts
from whichweights_plugins.hub.search import as_repo_id
from whichweights_plugins.hub.weight_files import file_stem, format_of, is_gguf_model

__all__ = ["GgufName", "as_gguf_name", "chosen_files", "chosen_parts", "files_of_one_model"]

_FORMAT_NAME: Final = re.compile(r"[A-Za-z0-9_\-]{2,20}")


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
    if chosen and _FORMAT_NAME.fullmatch(chosen):
        valid = as_repo_id(repo)
        return GgufName(valid, format=chosen) if valid else None
    parts = typed.split("/")
    if len(parts) < 3 or not typed.lower().endswith(".gguf") or ".." in parts:
        return None
    valid = as_repo_id("/".join(parts[:2]))
    return GgufName(valid, path="/".join(parts[2:])) if valid else None


def chosen_parts(repo: RepoFacts, name: GgufName) -> tuple[HubFile, ...]:
    """The file, or all parts of it, in order; empty where the name fits none or several."""
    return chosen_files(repo.files, name)


def chosen_files(files: Iterable[HubFile], name: GgufName) -> tuple[HubFile, ...]:
    """As `chosen_parts`, of any list of files."""
    models = [file for file in files if is_gguf_model(file.path)]
    if name.path is not None:
        models = [file for file in models if file_stem(file.path) == file_stem(name.path)]
    elif name.format is not None:
        models = [
            file for file in models if (format_of(file.path) or "").upper() == name.format.upper()
        ]
    if len({file_stem(file.path) for file in models}) != 1:
        return ()
    return tuple(sorted(models, key=lambda file: file.path))


def files_of_one_model(files: Iterable[HubFile]) -> tuple[HubFile, ...]:
    """GGUF files that differ in their format only, the smallest first; empty where models differ.

    They carry one vocabulary. Of a split file the first part counts, which holds it.
    """
    models = [file for file in files if is_gguf_model(file.path)]
    if len({_model_name(file.path) for file in models}) != 1:
        return ()
    first = {file_stem(file.path): file for file in sorted(models, key=_path, reverse=True)}
    return tuple(sorted(first.values(), key=lambda file: (file.size_bytes or 0, file.path)))


def _path(file: HubFile) -> str:
    return file.path


def _model_name(path: str) -> str:
    """What the name of a file says beside its format and its number as a part."""
    name = file_stem(path).rpartition("/")[2].lower().removesuffix(".gguf")
    found = (format_of(path) or "").lower()
    return name.replace(found, "") if found else name
