"""The zone of the wall's clock, also where TZ is a rule or nonsense."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
import tzlocal.unix
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from daemon.window import Window
from daemon.zone import ByRule, local_zone

BERLIN = ZoneInfo("Europe/Berlin")
RULE = "CET-1CEST,M3.5.0,M10.5.0/3"
"""Berlin's, as POSIX writes it."""
SECONDS = st.integers(1_577_836_800, 1_893_456_000)


@pytest.fixture
def zone(request: pytest.FixtureRequest) -> Iterator[None]:
    """TZ, as the parameter says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        patch.setattr(tzlocal.unix, "_cache_tz", None)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize("zone", [RULE], indirect=True)
@pytest.mark.usefixtures("zone")
@given(SECONDS)
def test_a_rule_says_what_the_zone_of_that_name_says(seconds: int) -> None:
    found = local_zone()
    assert isinstance(found, ByRule)
    moment = datetime.fromtimestamp(seconds, UTC)
    assert moment.astimezone(found).replace(tzinfo=None) == moment.astimezone(BERLIN).replace(tzinfo=None)
    assert moment.astimezone(found).astimezone(UTC) == moment
    window = Window.parse("01:00-06:00")
    assert window.next_night(moment, found) == window.next_night(moment, BERLIN)


@pytest.mark.parametrize("zone", [RULE], indirect=True)
@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize(("day", "hour"), [(29, 2), (29, 3), (28, 2)])
@pytest.mark.parametrize("fold", [0, 1])
def test_also_at_the_change_of_the_clock(day: int, hour: int, fold: int) -> None:
    for month in (3, 10):
        wall = datetime(2026, month, day if month == 3 else day - 4, hour, 30, fold=fold, tzinfo=BERLIN)
        assert wall.replace(tzinfo=ByRule()).astimezone(UTC) == wall.astimezone(UTC)


@pytest.mark.parametrize("zone", ["garbage", ":/nonexistent", RULE, "UTC0", ""], indirect=True)
@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize("words", ["status", "report", "history --json", "optimize --scheduled"])
def test_whatever_tz_says_a_command_works(run: Callable[..., Result], words: str) -> None:
    done = run(*words.split())
    assert done.exit_code in (0, 3), done.output
    assert not done.exception or isinstance(done.exception, SystemExit)
