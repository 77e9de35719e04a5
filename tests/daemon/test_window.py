"""The hours of work: across midnight, across changes of the clock, and in any zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.window import Window

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")]
CLOCK = st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda clock: f"{clock[0]:02d}:{clock[1]:02d}")
WINDOWS = st.one_of(
    st.just("always"), st.tuples(CLOCK, CLOCK).filter(lambda both: both[0] != both[1]).map(lambda both: "-".join(both))
).map(Window.parse)
MOMENTS = st.integers(1_577_836_800, 1_893_456_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


def local(year: int, month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=BERLIN).astimezone(UTC)


def test_a_window_within_a_day() -> None:
    window = Window.parse("01:00-06:00")
    assert window.night(local(2026, 3, 1, 0, 59), BERLIN) is None
    night = window.night(local(2026, 3, 1, 1), BERLIN)
    assert night is not None
    assert (night.starts_at, night.ends_at) == (local(2026, 3, 1, 1), local(2026, 3, 1, 6))
    assert window.night(local(2026, 3, 1, 6), BERLIN) is None
    assert window.next_night(local(2026, 3, 1, 6), BERLIN).starts_at == local(2026, 3, 2, 1)


def test_a_window_across_midnight_is_one_night() -> None:
    window = Window.parse("22:30-05:00")
    before, after = window.night(local(2026, 3, 1, 23), BERLIN), window.night(local(2026, 3, 2, 4), BERLIN)
    assert before == after
    assert before is not None
    assert before.ends_at - before.starts_at == timedelta(hours=6, minutes=30)
    assert window.night(local(2026, 3, 2, 12), BERLIN) is None


def test_the_day_ends_at_24() -> None:
    night = Window.parse("22:00-24:00").night(local(2026, 3, 1, 23), BERLIN)
    assert night is not None
    assert (night.starts_at, night.ends_at) == (local(2026, 3, 1, 22), local(2026, 3, 2, 0))


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 4), ((2026, 10, 25), 6), ((2026, 6, 1), 5)])
def test_when_the_clock_changes_the_night_is_shorter_or_longer(day: tuple[int, int, int], hours: int) -> None:
    night = Window.parse("01:00-06:00").night(local(*day, 5), BERLIN)
    assert night is not None
    assert night.ends_at - night.starts_at == timedelta(hours=hours)


def test_a_night_that_the_clock_jumps_over_does_not_exist() -> None:
    jumped = Window.parse("02:15-02:45").last_night(local(2026, 3, 29, 12), BERLIN)
    assert jumped.ends_at - jumped.starts_at == timedelta(minutes=30), "it is as long after the jump as it would have been"
    twice = Window.parse("02:15-02:45").last_night(local(2026, 10, 25, 12), BERLIN)
    assert twice.ends_at - twice.starts_at == timedelta(minutes=90), "what comes twice is one night"


def by_the_clock(window: Window) -> timedelta:
    """How long a window is on a day without a change of the clock."""
    if window.starts is None or window.ends is None:
        return timedelta(days=1)
    return (datetime.combine(date.min, window.ends) - datetime.combine(date.min, window.starts)) % timedelta(days=1)


@given(WINDOWS, MOMENTS, st.sampled_from(ZONES))
def test_nights_are_in_order_and_hold_what_they_say(window: Window, now: datetime, zone: ZoneInfo) -> None:
    last, current, following = window.last_night(now, zone), window.night(now, zone), window.next_night(now, zone)
    assert last.starts_at < last.ends_at <= now < following.starts_at < following.ends_at
    assert following.starts_at - last.ends_at < timedelta(days=3)
    if current is not None:
        assert current.starts_at <= now < current.ends_at
        assert last.ends_at <= current.starts_at
        assert current.ends_at <= following.starts_at
        assert window.night(current.ends_at - timedelta(seconds=1), zone) == current
    lengths = abs((following.ends_at - following.starts_at) - by_the_clock(window))
    assert lengths <= timedelta(hours=25 if zone.key == "Pacific/Apia" else 1.5)


@given(WINDOWS)
def test_a_window_reads_as_it_was_written(window: Window) -> None:
    assert Window.parse(str(window)) == window
