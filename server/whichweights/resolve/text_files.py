"""A file or a folder → its text files: inside the allowed roots, `.gitignore` honoured."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from whichweights_schemas.errors import InputTooLarge, InvalidArgument, PathNotAllowed

if TYPE_CHECKING:  # it loads at the first folder
    import pathspec

MAX_FILE_BYTES = 8_000_000
MAX_TOTAL_BYTES = 64_000_000
MAX_FILES = 20_000

_HEAD_BYTES = 8192
_VERSION_CONTROL = frozenset({".git", ".hg", ".svn", ".jj"})


@dataclass(frozen=True)
class TextFile:
    """A file as text; `name` is relative to the folder that was asked for."""

    name: str
    text: str
    size_bytes: int


@dataclass
class TextFiles:
    """What was read, and what was passed over: binary or not UTF-8, too large, unreadable."""

    files: list[TextFile] = field(default_factory=list[TextFile])
    binary: int = 0
    too_large: int = 0
    unreadable: int = 0

    @property
    def skipped(self) -> int:
        """How many files were passed over."""
        return self.binary + self.too_large + self.unreadable


@dataclass(frozen=True)
class _Ignored:
    folder: Path
    rules: pathspec.GitIgnoreSpec


def read_text_files(path: str, roots: Sequence[Path] | None) -> TextFiles:
    """The text files of a path, by name. Blocking.

    Links are not followed, folders of version control not entered. Raises PathNotAllowed outside
    the roots, InvalidArgument where nothing is or the one file named is no text, InputTooLarge
    beyond the limits.
    """
    given = Path(path).expanduser()
    real = given.resolve()
    if not any(real.is_relative_to(root) for root in allowed_roots(roots)):
        raise PathNotAllowed(
            f"{path} lies outside the folders that may be read",
            field="path",
            hint="name a path inside the current project, or set `roots` in [files]",
        )
    if not real.exists():
        raise InvalidArgument(f"{path} does not exist", field="path", hint="check the path")
    found = TextFiles()
    if real.is_file():
        _take(real, _shown(real.name), found)
        _refuse_uncounted(path, found)
        return found
    if not real.is_dir():
        raise InvalidArgument(
            f"{path} is neither a file nor a folder", field="path", hint="name one of these"
        )
    total = 0
    for count, file in enumerate(_walk(real, _rules_above(real), found), start=1):
        total += _take(file, _shown(file.relative_to(real).as_posix()), found)
        if count > MAX_FILES or total > MAX_TOTAL_BYTES:
            raise InputTooLarge(
                f"{path} holds more than {MAX_FILES:,} files or {MAX_TOTAL_BYTES:,} bytes of text",
                field="path",
                hint="name a folder inside it",
            )
    return found


def _refuse_uncounted(path: str, found: TextFiles) -> None:
    """A file that was named and passed over has no count: 0 would be wrong."""
    if found.too_large:
        raise InputTooLarge(
            f"{path} is larger than {MAX_FILE_BYTES:,} bytes",
            field="path",
            hint="split the file and add the counts up",
        )
    if found.skipped:
        why = "is binary or not in UTF-8" if found.binary else "cannot be read"
        raise InvalidArgument(f"{path} {why}", field="path", hint="name a text file in UTF-8")


def _shown(name: str) -> str:
    """A name whose bytes are no UTF-8 could not stand in an answer."""
    return os.fsencode(name).decode("utf-8", "replace")


def allowed_roots(roots: Sequence[Path] | None) -> tuple[Path, ...]:
    """The folders that may be read; unless named, the current one, if it is a project's."""
    if roots is not None:
        return tuple(root.expanduser().resolve() for root in roots)
    current = Path.cwd().resolve()
    too_wide = {Path(current.anchor), Path.home().resolve(), *Path.home().resolve().parents}
    return () if current in too_wide else (current,)


def _walk(folder: Path, rules: tuple[_Ignored, ...], found: TextFiles) -> Iterator[Path]:
    own = _rules_of(folder)
    rules = (*rules, own) if own else rules
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        found.unreadable += 1
        return
    for entry in entries:
        path = folder / entry.name
        if entry.is_symlink() or entry.name in _VERSION_CONTROL:
            continue
        is_folder = entry.is_dir(follow_symlinks=False)
        if _is_ignored(path, is_folder, rules):
            continue
        if is_folder:
            yield from _walk(path, rules, found)
        elif entry.is_file(follow_symlinks=False):
            yield path


def _is_ignored(path: Path, is_folder: bool, rules: Sequence[_Ignored]) -> bool:
    """The innermost file that says anything about the path decides."""
    for ignored in reversed(rules):
        name = path.relative_to(ignored.folder).as_posix() + ("/" if is_folder else "")
        said = ignored.rules.check_file(name).include
        if said is not None:
            return said
    return False


def _rules_above(folder: Path) -> tuple[_Ignored, ...]:
    """Rules of the folders between the repository's top and this one."""
    above: list[_Ignored] = []
    for parent in folder.parents if not (folder / ".git").exists() else ():
        rules = _rules_of(parent)
        above += [rules] if rules else []
        if (parent / ".git").exists():
            return tuple(reversed(above))
    return ()


def _rules_of(folder: Path) -> _Ignored | None:
    import pathspec

    try:
        lines = (folder / ".gitignore").read_text(encoding="utf-8").splitlines()
        return _Ignored(folder, pathspec.GitIgnoreSpec.from_lines(lines))
    except (OSError, UnicodeDecodeError, ValueError):  # absent, or not what git could read
        return None


def _take(file: Path, name: str, found: TextFiles) -> int:
    """Read one file into `found`; the bytes taken."""
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            found.too_large += 1
            return 0
        content = file.read_bytes()
    except OSError:
        found.unreadable += 1
        return 0
    if b"\0" in content[:_HEAD_BYTES]:
        found.binary += 1
        return 0
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        found.binary += 1
        return 0
    found.files.append(TextFile(name, text, len(content)))
    return len(content)
