"""The log: lines for the journal, and not too many of one kind."""

import logging
import os
from pathlib import Path

import pytest

from daemon import logs


def record(level: int, text: str, line: int = 1) -> logging.LogRecord:
    return logging.LogRecord("daemon.run", level, "run.py", line, text, (), None)


def test_each_line_of_the_journal_has_its_priority() -> None:
    formatter = logs.JournalFormatter()
    assert formatter.format(record(logging.WARNING, "a\nb")) == "<4>daemon.run: a\n<4>b"
    assert formatter.format(record(logging.INFO, "a")) == "<6>daemon.run: a"
    assert formatter.format(record(logging.CRITICAL, "a")) == "<3>daemon.run: a"


def test_one_kind_of_line_does_not_fill_the_journal() -> None:
    now = [0.0]
    sparing = logs.Sparing(lambda: now[0])
    passed = [each.getMessage() for number in range(100) if sparing.filter(each := record(logging.WARNING, f"bad {number}"))]
    assert len(passed) == logs.MOST + 1
    assert "more like this are not logged" in passed[-1]
    assert sparing.filter(record(logging.WARNING, "another", 2))
    assert sparing.filter(record(logging.ERROR, "bad"))
    now[0] = logs.WITHIN_S
    late = record(logging.WARNING, "bad again")
    assert sparing.filter(late)
    assert "69 more like this" in late.getMessage() or "70 more like this" in late.getMessage()


def test_the_journal_is_told_by_its_stream(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "journal").open("w") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setattr("sys.stderr", stream)
        for given, is_it in ((f"{status.st_dev}:{status.st_ino}", True), (f"{status.st_dev}:1", False), ("", False), ("x", False)):
            monkeypatch.setenv("JOURNAL_STREAM", given)
            assert logs._is_read_by_the_journal() is is_it
