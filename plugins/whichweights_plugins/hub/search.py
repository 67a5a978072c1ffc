"""Names as people type them → repositories of the Hub, with the ecosystem's habits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from whichweights_plugins.hub.facts import RepoFacts

__all__ = ["NameHit", "as_repo_id", "rank", "search_words"]

_REPO_ID: Final = re.compile(r"[A-Za-z0-9][\w.\-]{0,95}/[A-Za-z0-9][\w.\-]{0,95}")
_FILE_ENDINGS: Final = (".gguf", ".safetensors", ".json", ".bin")
_SEPARATORS: Final = re.compile(r"[\s_\-/]+")
_SPLIT: Final = re.compile(r"(?<=[a-z])(?=\d)")
_UNIT: Final = re.compile(r"(?<=\d) (?=[bm]\b)")
_NAME: Final = re.compile(r"[\w.\-+ ]{2,100}")
_QUANTIZED: Final = frozenset(
    (
        *("gguf", "awq", "gptq", "mlx", "exl2", "exl3", "bnb", "fp8", "nvfp4", "mxfp4"),
        *("int4", "int8", "4bit", "8bit", "quantized"),
    )
)


@dataclass(frozen=True, slots=True)
class NameHit:
    """A repository a name could mean. `partial` = it bears that very name."""

    repo: RepoFacts
    match: Literal["partial", "similar"]


def as_repo_id(query: str) -> str | None:
    """The query as a repository id; None when it cannot be one (a path, a file, a name)."""
    typed = query.strip()
    for prefix in ("https://huggingface.co/", "https://hf.co/", "hf.co/", "hf://"):
        typed = typed.removeprefix(prefix)
    typed = typed.rstrip("/")
    if not _REPO_ID.fullmatch(typed) or typed.lower().endswith(_FILE_ENDINGS):
        return None
    return None if "--" in typed or ".." in typed else typed


def search_words(query: str) -> str | None:
    """What to search the Hub for; None for what is no name of a model."""
    typed = " ".join(query.split())
    if "/" in typed or ":" in typed or not _NAME.fullmatch(typed) or typed[0] in ".~":
        return None
    if typed.lower().endswith(_FILE_ENDINGS) or not any(letter.isalpha() for letter in typed):
        return None
    return typed.replace(" ", "-")


def rank(query: str, repos: Sequence[RepoFacts], limit: int) -> list[NameHit]:
    """The repositories that bear the name, originals before copies; the others are suggestions.

    Copies (quantized, merged, uploaded again) are suggestions unless the name asks for one.
    """
    wanted = _canonical(query)
    words = frozenset(wanted.split())
    asked_copy = bool(words & _QUANTIZED)
    same = [repo for repo in repos if _canonical(_bare(repo.id)) == wanted]
    originals = [repo for repo in same if asked_copy or not repo.base_models]
    named = originals or same
    hits = [NameHit(repo, "partial") for repo in named]
    rest = [repo for repo in repos if repo not in named]
    close = [repo for repo in rest if words <= frozenset(_canonical(repo.id).split())]
    close.sort(key=lambda repo: (bool(repo.base_models) and not asked_copy, -(repo.downloads or 0)))
    hits += [NameHit(repo, "similar") for repo in close]
    return hits[:limit]


def _bare(identifier: str) -> str:
    return identifier.rsplit("/", 1)[-1]


def _canonical(text: str) -> str:
    """Lower case, one space between words, "qwen3" as "qwen 3" and "32 b" as "32b"."""
    plain = _SEPARATORS.sub(" ", text.lower()).strip()
    return _UNIT.sub("", _SPLIT.sub(" ", plain))
