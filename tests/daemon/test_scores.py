"""Scores of many photos in one line, and what an archive's numbers mean under today's thresholds."""

from dataclasses import fields
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from codec.checks import CHECKS
from daemon.measured import findings, quality_lines
from daemon.scores import scores_line
from storage.records import PhotoRow, Scores


def row(**values: Any) -> PhotoRow:
    nothing = dict.fromkeys((field.name for field in fields(PhotoRow)), None)
    known = {"lane": "neural", "quality": "high", "score_whole": 80.4, "whole_at_least": 80.0}
    return cast(PhotoRow, SimpleNamespace(**{**nothing, **known, **values}))


@given(st.dictionaries(st.integers(0, 99), st.integers(1, 9), min_size=1))
def test_no_photo_is_lost_in_the_line(by_points: dict[int, int]) -> None:
    line = scores_line(Scores(dict(sorted(by_points.items())), 1.0, 2.0))
    parts = line.partition(": ")[2].partition(": ")[2].split(", ") if sum(by_points.values()) > 1 else [line]
    assert len(parts) <= 8
    assert sum(int(part.split()[0]) for part in parts) == sum(by_points.values())


def test_few_points_are_told_one_by_one() -> None:
    line = scores_line(Scores({80: 7, 81: 2}, 80.31, 70.2))
    assert line == (
        "9 photos coded with loss score at least 80.3, their worst parts at least 70.2 (100: identical to the original): 7 at 80, 2 at 81"
    )
    many = dict.fromkeys((60, 66, 71, 75, 81, 82, 83, 84, 95), 1) | {80: 2}
    assert "1 at 74-75, 3 at 80-81, 2 at 82-83" in scores_line(Scores(dict(sorted(many.items())), 60.0, 50.0))


def test_an_archive_of_earlier_thresholds_may_have_findings() -> None:
    passed = {name: 60.0 if check.floor else 0.0 for name, check in CHECKS.items()}
    seamy = row(checks={**passed, "patches": 1.6})
    (found,) = findings(seamy)
    assert (found["check"], found["value"], found["limit"]) == ("patches", 1.6, CHECKS["patches"].limits["high"])
    assert any("Distortions: steps at the borders" in line for line in quality_lines(seamy))
    assert findings(row(checks={**passed, "patches": 1.6}, quality="compact")) == []


def test_rows_without_checks_say_what_there_is() -> None:
    assert findings(row()) == []
    (line,) = quality_lines(row())
    assert "whole photo 80.4 (at least 80.0), worst tile ?" in line
    assert quality_lines(row(lane="exact", quality="exact")) == ["Quality exact: nothing is lost in the exact lane."]
    assert findings(row(checks={"of a later version": 3.0})) == []
