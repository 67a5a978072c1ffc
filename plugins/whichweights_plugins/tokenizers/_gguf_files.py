"""Where a GGUF file with the vocabulary lies on this machine, and its tokenizer. Blocking."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from whichweights_plugins._local_headers import read_whole_gguf
from whichweights_plugins.formats.gguf_header import split_name
from whichweights_plugins.formats.gguf_vocabulary import VOCABULARY_KEYS, vocabulary_of
from whichweights_plugins.hub.facts import HubFile
from whichweights_plugins.hub.gguf_names import GgufName, chosen_files, files_of_one_model
from whichweights_plugins.tokenizers._gguf_tokenizer import tokenizer_of
from whichweights_plugins.tokenizers._json_tokenizer import LibraryTokenizer
from whichweights_schemas.errors import InvalidArgument, NoTokenizer

HEADER = ".header"
"""Suffix of a file that holds only the start of the GGUF file it is named after."""

_MOST_FILES = 2_000


def gguf_tokenizer(file: Path, name: str, source: str) -> LibraryTokenizer:
    """The tokenizer a file carries.

    Raises NoTokenizer for a file without one, or one that is not counted, InvalidArgument for a
    file that is broken.
    """
    try:
        vocabulary = vocabulary_of(read_whole_gguf(file, VOCABULARY_KEYS))
    except InvalidArgument as error:
        error.field = "models"
        raise
    if vocabulary is None:
        raise NoTokenizer(
            f"{name} carries no vocabulary",
            field="models",
            hint="name the model itself, not what goes with it (a projector, an adapter)",
        )
    return tokenizer_of(vocabulary, name, source)


def first_part(file: Path) -> Path:
    """The part of a split model that holds the vocabulary; any other file itself."""
    part = split_name(file.name)
    if part is None:
        return file
    return file.with_name(f"{part.stem}-00001-of-{part.count:05d}.gguf")


def gguf_in(folder: Path, wanted: GgufName | None = None) -> Path | None:
    """The GGUF file of a folder that carries the vocabulary: the one named, or that of its model.

    Files that hold only a header count too. None where there is none, or where models differ.
    """
    files = list(_listed(folder))
    found = chosen_files(files, wanted) if wanted else files_of_one_model(files)
    if not found:
        return None
    file = folder / found[0].path
    return file if file.is_file() else file.with_name(file.name + HEADER)


def _listed(folder: Path) -> Iterator[HubFile]:
    for count, file in enumerate(sorted(folder.rglob("*.gguf*"))):
        if count >= _MOST_FILES:
            return
        name = file.relative_to(folder).as_posix().removesuffix(HEADER)
        if name.endswith(".gguf") and file.is_file():
            yield HubFile(name, file.stat().st_size)
