"""Answers of remote services on disk: one SQLite file, shared by all processes of a user.

Every call opens its own connection, so any thread may make it; it blocks, so it belongs in a
thread. A file that is damaged or of another layout is built anew; a disk that cannot be written
means that nothing is remembered, never an error.
"""

from __future__ import annotations

import sqlite3
import time
import zlib
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import platformdirs

__all__ = ["DEFAULT_MAX_BYTES", "AnswerCache", "CachedAnswer", "default_cache_file"]

T = TypeVar("T")

DEFAULT_MAX_BYTES: Final = 64 * 2**20
_LAYOUT: Final = 1
"""Stored in `PRAGMA user_version`; a file of another layout is thrown away."""

_BUSY_SECONDS: Final = 1.0
_KEPT_SHARE: Final = 0.8
_LARGEST_SHARE: Final = 4
_COLUMNS: Final = "status, etag, body, checked_at"
_TABLE: Final = """
    CREATE TABLE IF NOT EXISTS answers (
        key TEXT PRIMARY KEY, status INTEGER NOT NULL, etag TEXT, body BLOB NOT NULL,
        size INTEGER NOT NULL, checked_at REAL NOT NULL, used_at REAL NOT NULL
    ) WITHOUT ROWID
"""


@dataclass(frozen=True)
class CachedAnswer:
    """What a service said. `checked_at` = when it last said or confirmed it (seconds since 1970).

    A status of 400 or more is a negative answer with an empty body.
    """

    status: int
    body: bytes
    etag: str | None
    checked_at: float

    def age_seconds(self, now: float) -> float:
        """Seconds since it was confirmed; infinite where the clock was set back."""
        age = now - self.checked_at
        return age if age >= 0 else float("inf")


def default_cache_file() -> Path:
    """Where the cache of this user lies; the folder need not exist."""
    return Path(platformdirs.user_cache_dir("whichweights", appauthor=False)) / "answers.sqlite"


class AnswerCache:
    """A bounded table of answers; what was not used for longest goes first.

    `max_bytes` bounds the stored bodies. All methods block for a second at most, where another
    process holds the file.
    """

    def __init__(
        self,
        file: Path,
        *,
        max_bytes: int = DEFAULT_MAX_BYTES,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self._now = now
        self._ready = False
        self.defect: str | None = None
        """Why nothing could be remembered the last time; None when all is well."""

    def get(self, key: str) -> CachedAnswer | None:
        """The answer of that key; None when there is none that can be read."""

        def read(connection: sqlite3.Connection) -> CachedAnswer | None:
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM answers WHERE key = ?", (key,)
            ).fetchone()
            if row is None:
                return None
            try:
                body = zlib.decompress(row[2])
            except (zlib.error, TypeError):
                connection.execute("DELETE FROM answers WHERE key = ?", (key,))
                return None
            connection.execute("UPDATE answers SET used_at = ? WHERE key = ?", (self._now(), key))
            return CachedAnswer(row[0], body, row[1], row[3])

        return self._with_connection(read)

    def put(self, key: str, status: int, body: bytes, etag: str | None) -> None:
        """Remember an answer that was given just now; one too large for the bound is not kept."""
        packed = zlib.compress(body, level=6)
        if len(packed) > self._max_bytes // _LARGEST_SHARE:
            return

        def write(connection: sqlite3.Connection) -> None:
            now = self._now()
            connection.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)",
                (key, status, etag, packed, len(packed), now, now),
            )
            self._shrink(connection)

        self._with_connection(write)

    def confirm(self, key: str) -> None:
        """The service said that its answer of that key still holds."""
        self._with_connection(
            lambda connection: connection.execute(
                "UPDATE answers SET checked_at = ? WHERE key = ?", (self._now(), key)
            )
        )

    def facts(self) -> tuple[int, int]:
        """Number of answers and bytes of their bodies as stored."""
        found = self._with_connection(
            lambda connection: connection.execute(
                "SELECT count(*), coalesce(sum(size), 0) FROM answers"
            ).fetchone()
        )
        return (found[0], found[1]) if found else (0, 0)

    def _shrink(self, connection: sqlite3.Connection) -> None:
        (total,) = connection.execute("SELECT coalesce(sum(size), 0) FROM answers").fetchone()
        if total <= self._max_bytes:
            return
        for key, size in connection.execute("SELECT key, size FROM answers ORDER BY used_at"):
            connection.execute("DELETE FROM answers WHERE key = ?", (key,))
            total -= size
            if total <= self._max_bytes * _KEPT_SHARE:
                return

    def _with_connection(self, act: Callable[[sqlite3.Connection], T]) -> T | None:
        """The result of `act`; a damaged file is replaced by an empty one, once a call."""
        for attempt in (1, 2):
            try:
                with self._connection() as connection:
                    result = act(connection)
            except (sqlite3.OperationalError, OSError) as error:
                self.defect = str(error)  # locked, full, read-only: true of the disk, not the file
                return None
            except sqlite3.DatabaseError as error:
                self.defect = str(error)
                self._ready = False
                if attempt == 2 or not self._throw_away():
                    return None
            else:
                self.defect = None
                return result
        return None

    @contextmanager
    def _connection(self) -> Generator[sqlite3.Connection]:
        if not self._ready:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._file, timeout=_BUSY_SECONDS)) as connection:
            if not self._ready:
                self._prepare(connection)
            with connection:
                yield connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (layout,) = connection.execute("PRAGMA user_version").fetchone()
        if layout not in (0, _LAYOUT):
            raise sqlite3.DatabaseError(f"the layout {layout} is of another version")
        connection.execute("PRAGMA journal_mode = WAL")
        with connection:
            connection.execute(_TABLE)
            connection.execute(f"PRAGMA user_version = {_LAYOUT}")
            connection.execute(f"SELECT key, size, used_at, {_COLUMNS} FROM answers LIMIT 1")
        self._ready = True

    def _throw_away(self) -> bool:
        try:
            for suffix in ("", "-wal", "-shm"):
                self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)
        except OSError:
            return False
        return True
