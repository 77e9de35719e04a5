"""The runs of the optimizer, for the history."""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Unpack

from storage.connection import translated_sqlite
from storage.records import RunFigures, RunRow
from storage.statements import Statements

_JSON = ("by_lane", "by_reason", "prediction")


class Runs(Statements):
    """When runs were, what was predicted of them, and what became of it."""

    def started_run(self, command: str, prediction: Mapping[str, Any] | None = None) -> int:
        """Id of the new run. `prediction` (JSON values): what was predicted of it."""
        values = _to_columns({"started_at": self._now(), "command": command, "prediction": prediction})
        with self._transaction():
            return self._insert(values, table="runs")

    def ended_run(self, run_id: int, **figures: Unpack[RunFigures]) -> RunRow:
        """What became of the photos in it; `outcome` says why it stopped early, and is left out where it did not."""
        with self._transaction():
            self._update(run_id, _to_columns({"ended_at": self._now(), **figures}), table="runs")
        return self.runs(run_id=run_id)[0]

    def runs(self, *, run_id: int | None = None, limit: int = 50) -> list[RunRow]:
        """The latest first."""
        with translated_sqlite(self.path):
            cursor = self._connection.execute("SELECT * FROM runs WHERE ?1 IS NULL OR id = ?1 ORDER BY id DESC LIMIT ?2", (run_id, limit))
            names = [column[0] for column in cursor.description]
            return [_from_row(dict(zip(names, values, strict=True))) for values in cursor]

    def ran_between(self, first: float, last: float) -> bool:
        """Whether any run was begun between these two times (seconds)."""
        with translated_sqlite(self.path):
            query = "SELECT EXISTS (SELECT 1 FROM runs WHERE started_at BETWEEN ? AND ?)"
            found = self._connection.execute(query, (first, last)).fetchone()
        return bool(found[0])


def _from_row(values: Mapping[str, Any]) -> RunRow:
    flat = {field.name: values[field.name] for field in fields(RunRow)}
    return RunRow(**{**flat, **{name: None if flat[name] is None else json.loads(flat[name]) for name in _JSON}})


def _to_columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of table `runs` out of fields of a RunRow."""
    return {name: json.dumps(value, sort_keys=True) if name in _JSON and value is not None else value for name, value in values.items()}
