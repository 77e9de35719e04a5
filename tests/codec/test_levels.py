from codec.levels import COPY_MARGIN, DEFAULT_LEVEL, LEVELS
from storage.proof import COPY_ALLOWANCE_POINTS


def test_levels_are_those_that_users_were_promised() -> None:
    assert {name: (level.whole, level.worst_tile) for name, level in LEVELS.items()} == {
        "visually-lossless": (90, 80),
        "high": (80, 70),
        "compact": (70, 55),
    }
    assert all(name == level.name for name, level in LEVELS.items())
    assert DEFAULT_LEVEL is LEVELS["high"]
    assert COPY_MARGIN == COPY_ALLOWANCE_POINTS
