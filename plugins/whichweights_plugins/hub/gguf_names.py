"""How people name one GGUF file of a repository."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from whichweights_plugins.hub.facts import HubFile, RepoFacts
from whichweights_plugins.hub.search import as_repo_id
from whichweights_plugins.hub.weight_files import file_stem, format_of, is_gguf_model

__all__ = ["GgufName", "as_gguf_name", "chosen_parts"]

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
    models = [file for file in repo.files if is_gguf_model(file.path)]
    if name.path is not None:
        models = [file for file in models if file_stem(file.path) == file_stem(name.path)]
    elif name.format is not None:
        models = [
            file for file in models if (format_of(file.path) or "").upper() == name.format.upper()
        ]
    if len({file_stem(file.path) for file in models}) != 1:
        return ()
    return tuple(sorted(models, key=lambda file: file.path))
