"""Which night it is, and which one is made up for."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from daemon import pausing
from daemon.nights import missed, tonight
from daemon.places import Places
from daemon.window import Night, Window

BERLIN = ZoneInfo("Europe/Berlin")
WINDOW = Window.parse("01:00-06:00")
MOMENTS = st.integers(1_577_836_800, 1_893_456_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 5, day, hour, minute, tzinfo=BERLIN).astimezone(UTC)


def test_a_night_that_was_slept_through_is_made_up_until_the_next_one() -> None:
    night = missed(WINDOW, BERLIN, at(11, 8), last_run_at=at(10, 1))
    assert night == Night(at(11, 8), at(12, 1), made_up=True)
    assert tonight(WINDOW, BERLIN, at(11, 9), made_up=night) == night
    assert tonight(WINDOW, BERLIN, at(12, 2), made_up=night) == Night(at(12, 1), at(12, 6))


def test_nothing_is_made_up_for() -> None:
    assert missed(WINDOW, BERLIN, at(11, 8), last_run_at=None) is None, "the service was never there"
    assert missed(WINDOW, BERLIN, at(11, 8), last_run_at=at(11, 2)) is None, "it worked before it slept"
    assert missed(WINDOW, BERLIN, at(11, 3), last_run_at=at(9, 2)) is None, "the night is still there"


def test_a_disk_that_runs_full_opens_the_day() -> None:
    assert tonight(WINDOW, BERLIN, at(11, 12)) is None
    night = tonight(WINDOW, BERLIN, at(11, 12), pressed=True)
    assert night == Night(at(11, 1), at(12, 1), pressed=True)


@given(MOMENTS, MOMENTS)
def test_what_is_made_up_lies_between_two_nights(woke_at: datetime, last_run_at: datetime) -> None:
    night = missed(WINDOW, BERLIN, woke_at, last_run_at)
    last = WINDOW.last_night(woke_at, BERLIN)
    if WINDOW.night(woke_at, BERLIN) is None and last_run_at < last.starts_at:
        assert night is not None
        assert night.holds(woke_at)
        assert WINDOW.night(night.ends_at, BERLIN) is not None
    else:
        assert night is None


def test_a_pause_outlasts_a_restart(tmp_path: Path) -> None:
    places = Places(tmp_path / "c.toml", tmp_path)
    now = at(11, 12)
    assert pausing.paused_until(places, now) is None
    pausing.pause(places, now + timedelta(hours=2))
    assert pausing.paused_until(places, now) == now + timedelta(hours=2)
    assert pausing.paused_until(places, now + timedelta(hours=2)) is None
    pausing.pause(places)
    assert pausing.paused_until(places, now) == pausing.FOR_EVER
    places.pause_file.write_bytes(b"\xff")
    assert pausing.paused_until(places, now) == pausing.FOR_EVER, "when in doubt, nothing is begun"
    pausing.resume(places)
    pausing.resume(places)
    assert pausing.paused_until(places, now) is None
