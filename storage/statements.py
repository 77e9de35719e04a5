"""The connection to the catalogue, its transactions, and the statements that questions and moves are made of.

sqlite-utils makes and migrates the file; the statements are plain SQL, since a process that only reads must not pay for importing more than
sqlite3.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from storage import states
from storage.connection import open_for_reading, open_for_writing, open_in_memory, translated_sqlite
from storage.errors import Missing, NoSpace, StorageError
from storage.records import PhotoRow
from storage.reserve import Reserve
from storage.rows import COLUMNS, from_row
from storage.states import State

_SELECT = f"SELECT {', '.join(COLUMNS)} FROM photos"


class Statements:
    """One connection, for one thread. Close it, or use it as a context manager.

    Every method may raise Locked (another process writes for too long), Damaged, NoSpace and ReadOnly.
    """

    def __init__(
        self,
        path: Path | str,
        clock: Callable[[], float] = time.time,
        *,
        read_only: bool = False,
        rehearsal: bool = False,
        reserve: Reserve | None = None,
        any_thread: bool = False,
    ) -> None:
        """`path` ':memory:' for one in RAM; `clock` gives seconds since the epoch, UTC.

        A missing catalogue is made, an older one is migrated. `read_only` never makes one (Missing) and never imports
        sqlite-utils, which keeps `status` fast; `any_thread` then lets one thread after the other use it. `rehearsal` works on a copy in
        memory: all moves can be made, none is kept. `reserve` is given up by the first transaction that meets a full disk; that one fails
        all the same, and leaves everything as it was.
        """
        self.path = path
        self._clock = clock
        self._reserve = reserve
        if rehearsal:
            self._connection = open_in_memory(path)
        else:
            self._connection = open_for_reading(path, any_thread=any_thread) if read_only else open_for_writing(path)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Below: one statement each.

    def _now(self) -> int:
        return int(self._clock())

    @contextmanager
    def together(self) -> Iterator[None]:
        """All moves of the block in one transaction, which costs one wait for the disk: for what a crash may forget together."""
        with self._transaction():
            yield

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with self._translated_transaction():
                yield
        except NoSpace:
            if self._reserve is not None:
                with suppress(StorageError):
                    self._reserve.give_up()
            raise

    @contextmanager
    def _translated_transaction(self) -> Iterator[None]:
        # IMMEDIATE: a deferred transaction that first reads and then writes gets SQLITE_BUSY without waiting.
        begin, end, undo = "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"
        if self._connection.in_transaction:  # within `together`
            begin, end, undo = "SAVEPOINT move", "RELEASE move", "ROLLBACK TO move"
        with translated_sqlite(self.path):
            self._connection.execute(begin)
            try:
                yield
                self._connection.execute(end)
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute(undo)
                raise

    def _move(self, photo_id: int, after: State, values: Mapping[str, Any]) -> PhotoRow:
        states.check(self._row(photo_id).state, after)
        self._update(photo_id, {**values, "state": after})
        return self._row(photo_id)

    def _rows(self, where: str, parameters: Sequence[Any] = ()) -> list[PhotoRow]:
        with translated_sqlite(self.path):
            return [from_row(values) for values in self._connection.execute(f"{_SELECT} WHERE {where}", parameters)]

    def _row(self, photo_id: int) -> PhotoRow:
        values = self._connection.execute(f"{_SELECT} WHERE id = ?", (photo_id,)).fetchone()
        if values is None:
            raise Missing(f"the catalogue knows no photo {photo_id}")
        return from_row(values)

    def _current(self, gallery: bytes, path: bytes) -> PhotoRow | None:
        where = "gallery = ? AND path = ? AND superseded_at IS NULL"
        values = self._connection.execute(f"{_SELECT} WHERE {where}", (gallery, path)).fetchone()
        return None if values is None else from_row(values)

    def _insert(self, values: Mapping[str, Any], table: str = "photos") -> int:
        names = ", ".join(f'"{name}"' for name in values)
        marks = ", ".join("?" * len(values))
        cursor = self._connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))
        return cursor.lastrowid or 0

    def _update(self, row_id: int, values: Mapping[str, Any], table: str = "photos") -> None:
        changes = ", ".join(f'"{name}" = ?' for name in values)
        self._connection.execute(f"UPDATE {table} SET {changes} WHERE id = ?", (*values.values(), row_id))
