import itertools

import pytest

from storage.errors import Refused
from storage.states import MOVES, State, check


@pytest.mark.parametrize(("before", "after"), list(itertools.product([None, *State], State)))
def test_what_the_table_does_not_know_is_refused(before: State | None, after: State) -> None:
    if (before, after) in MOVES:
        assert check(before, after).endswith(".")
    else:
        with pytest.raises(Refused):
            check(before, after)


def test_every_state_can_be_reached_and_left() -> None:
    reached: set[State | None] = {None}
    while more := {after for before, after in MOVES if before in reached} - reached:
        reached |= more
    assert reached == {None, *State}
    assert {before for before, _ in MOVES} == {None, *State}


def test_the_original_is_destroyed_by_one_kind_of_move_only() -> None:
    """A photo is purged from where its original waited, or never had it in place (a restored copy, a catalogue made anew)."""
    assert {before for before, after in MOVES if after is State.PURGED} == {State.RETIRED, State.ENCODING, None}
    assert {before for before, after in MOVES if after is State.RETIRED} == {State.COMMITTED, None}
    assert {before for before, after in MOVES if after is State.COMMITTED} == {State.ENCODING}
