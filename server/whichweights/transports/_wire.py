"""The process's real stdin and stdout, taken away from everybody else.

Only the standard library is imported here: the claim is made before anything that could print is
loaded. Afterwards `print`, a C library's `write(1, ...)` and a child process all reach stderr.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

_CHUNK_BYTES = 1 << 16
_PAIR_OR_LONE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)


@dataclass(frozen=True)
class Wire:
    """Private descriptors of what were stdin and stdout when the process started."""

    read_fd: int
    write_fd: int

    def chunks(self) -> Iterator[bytes]:
        """What arrives, until the end of input or a broken pipe, which says the same. Blocks."""
        with suppress(OSError):
            while chunk := os.read(self.read_fd, _CHUNK_BYTES):
                yield chunk

    def write(self, data: bytes) -> None:
        """Write all of it. Blocks. Raises OSError when the other side is gone."""
        view = memoryview(data)
        while view:
            view = view[os.write(self.write_fd, view) :]


def complete_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines that blanks do not fill, without their ends; one that is never ended is dropped."""
    parts: list[bytes] = []
    for chunk in chunks:
        head, *rest = chunk.split(b"\n")
        parts.append(head)
        for piece in rest:
            line = b"".join(parts).strip()
            parts = [piece]
            if line:
                yield line


def without_lone_surrogates(line: str) -> str:
    r"""The JSON text with U+FFFD for half a pair (`\ud800`), which is no character.

    JSON's grammar allows it; the SDK's parser refuses the line and its request is never answered.
    """
    if "\\ud" not in line and "\\uD" not in line:
        return line
    return _PAIR_OR_LONE.sub(lambda found: "\\ufffd" if found["lone"] else found[0], line)


def claim(*, stdin: bool = True) -> Wire:
    """Take the standard streams: from now on fd 1 is stderr, and fd 0 reads nothing.

    What was printed before but not yet flushed goes to stderr too. With `stdin=False` only stdout
    is taken.
    """
    _fill_closed_descriptors()
    read_fd, write_fd = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    if stdin:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
    if sys.stderr is not None:  # pythonw has none
        sys.stdout = sys.stderr  # unbuffered enough to survive a hard exit
    _finish_on_windows(read_fd, write_fd)
    return Wire(read_fd, write_fd)


def _fill_closed_descriptors() -> None:
    """Open /dev/null where a host left a standard descriptor closed, so that no dup lands there."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free descriptor, which is fd


def _finish_on_windows(read_fd: int, write_fd: int) -> None:
    """Child processes inherit Win32 handles, which `dup2` leaves alone; the wire is binary."""
    if sys.platform == "win32":
        import ctypes
        import msvcrt

        for fd in (0, 1):
            # STD_INPUT_HANDLE is -10, STD_OUTPUT_HANDLE -11 (SetStdHandle, Win32 documentation)
            ctypes.windll.kernel32.SetStdHandle(-10 - fd, msvcrt.get_osfhandle(fd))
        for fd in (read_fd, write_fd):
            msvcrt.setmode(fd, os.O_BINARY)
