"""What the sweep interrupts: for each thing that is done to a photo, what comes before it, and in which states the photo may end."""

import os
import shutil
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from codec.labels import Labels, labelled
from daemon import restorer
from daemon.ports import Silence
from storage.errors import StorageError
from storage.states import State
from tests.daemon.conftest import Home
from tests.daemon.faults import Counting, Killing, Layer, behind

S = State
EDIT = b"an edit of a stand-in, by somebody"


@dataclass(frozen=True)
class Scenario:
    """`act` is what is interrupted, after `prepare`; a photo then ends in one of `ends`."""

    prepare: Callable[[Home], None]
    act: Callable[[Home], object]
    ends: frozenset[State]
    gallery: str = ""
    safety: str = 'reserve = "off"'


def in_child(act: Callable[[], object], layer: Layer, *, exchange: bool = True) -> int:
    """Run it in a process of its own, which the layer may kill; its exit code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads that libraries may have started in this one: the child uses none of them
        child = os.fork()
    if not child:
        code = 70
        try:
            with behind(layer, exchange=exchange):
                act()
            code = 0
        except BaseException:  # noqa: BLE001  # the parent sees the code, and a person this
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def nothing(_: Home) -> None:
    pass


def work(home: Home) -> None:
    home.optimize()


def restore(home: Home, name: str = "a.jpg") -> None:
    with home.shop() as shop:
        done = restorer.restore(shop, [home.root / name], None, None, Silence())
    if done[0].trouble:
        raise StorageError(done[0].trouble)


def restore_renamed(home: Home) -> None:
    restore(home, "b.jpg")


def restored_and_idle(home: Home) -> None:
    home.optimize()
    restore(home)
    home.clock.forward(days=31)


def grace_over(home: Home) -> None:
    home.optimize()
    home.clock.forward(days=8)


def aside_damaged(home: Home) -> None:
    home.optimize()
    (aside,) = (home.root / ".gallery-optimizer/originals").iterdir()
    aside.write_bytes(aside.read_bytes()[:-1] + b"x")


def edited(home: Home) -> None:
    home.optimize()
    (home.root / "a.jpg").write_bytes(EDIT)


def tagged(home: Home) -> None:
    """Somebody's program wrote to the stand-in of a photo in grace."""
    home.optimize()
    place = home.root / "a.jpg"
    place.write_bytes(labelled(place.read_bytes(), Labels(exif=TAGS)))


def tagged_and_back(home: Home) -> None:
    tagged(home)
    restore(home)
    home.clock.forward(days=8)


def tagged_after_it_came_back(home: Home) -> None:
    """A copy from the archive, with labels that it did not have."""
    restored_and_idle(home)
    place = home.root / "a.jpg"
    place.write_bytes(labelled(place.read_bytes(), Labels(exif=TAGS)))


def earlier_version_due(home: Home) -> None:
    """What is in place was once written over another photo, which had come back in full; that one's archive has had its time."""
    from tests.daemon.sweep import small_photo

    place = home.root / "a.jpg"
    photo = place.read_bytes()
    place.write_bytes(small_photo(5))
    home.optimize()
    restore(home)
    place.write_bytes(photo)
    home.optimize()
    home.clock.forward(days=31)


def renamed(home: Home) -> None:
    home.optimize()
    (home.root / "a.jpg").rename(home.root / "b.jpg")
    home.optimize()


def saved_over(home: Home) -> None:
    renamed(home)
    (home.root / "b.jpg").write_bytes(EDIT)


def killed_at(share: float, before: Callable[[Home], None], act: Callable[[Home], object]) -> Callable[[Home], None]:
    """What a run leaves that was killed after this share of its changes; the recovery from it is what is interrupted then."""

    def prepare(home: Home) -> None:
        spare = home.root.parent.with_name("spare")
        before(home)
        shutil.copytree(home.root.parent, spare, symlinks=True)
        layer = Counting(only_changes=True)
        with behind(layer):
            act(home)
        shutil.rmtree(home.root.parent)
        spare.rename(home.root.parent)
        in_child(lambda: act(home), Killing(max(1, round(share * len(layer.points)))))

    return prepare


def old_catalogue(home: Home) -> None:
    """Made by the first version that had one."""
    import sqlite3

    from sqlite_utils import Database

    from storage.migrations import migrations

    home.places.state_folder.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(home.places.catalog_file, isolation_level=None)
    migrations.apply(Database(connection), stop_before="m002_photos_that_move")
    connection.close()


def older_catalogue(home: Home) -> None:
    """Of a photo whose grace is over, made by a version before the last migrations."""
    import sqlite3

    from sqlite_utils import Database

    from storage.migrations import migrations

    grace_over(home)
    file = home.places.catalog_file
    newer = file.rename(file.with_suffix(".newer"))
    connection = sqlite3.connect(file, isolation_level=None)
    migrations.apply(Database(connection), stop_before="m009_how_large_a_copy_will_be")
    connection.execute("ATTACH ? AS newer", (str(newer),))
    for table in ("photos", "copies", "runs", "inspections"):
        names = ", ".join(f'"{row[1]}"' for row in connection.execute(f"PRAGMA main.table_info({table})"))
        connection.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM newer.{table}")
    connection.close()
    newer.unlink()


TAGS = b"MM\0*\0\0\0\x08\0\x01\x47\x46\0\x03\0\0\0\x01\0\x05\0\0\0\0\0\0"
"""EXIF with five stars."""
PARITY = 'reserve = "off"\nparity = "5%"'
RESERVE = 'reserve = "1 MB"'
DAYS_0 = 'grace = "0 days"'
BACK = frozenset({S.RESTORED})
SCENARIOS: dict[str, Scenario] = {
    "optimize and retire": Scenario(nothing, work, frozenset({S.RETIRED})),
    "optimize, retire and purge": Scenario(nothing, work, frozenset({S.PURGED}), DAYS_0),
    "retire without a stand-in": Scenario(nothing, work, frozenset({S.RETIRED}), 'stand_in = "none"'),
    "purge": Scenario(grace_over, work, frozenset({S.PURGED})),
    "restore the original": Scenario(work, restore, BACK | {S.RETIRED}),
    "restore a copy": Scenario(work, restore, BACK | {S.PURGED}, DAYS_0),
    "restore a copy in grace": Scenario(aside_damaged, restore, BACK | {S.RETIRED}),
    "put a copy away": Scenario(restored_and_idle, work, frozenset({S.PURGED}), DAYS_0),
    "put a tagged copy away": Scenario(tagged_after_it_came_back, work, frozenset({S.PURGED}), DAYS_0),
    "throw an earlier version away": Scenario(earlier_version_due, work, frozenset({S.PURGED}), DAYS_0, PARITY),
    "restore a tagged original": Scenario(tagged, restore, BACK | {S.RETIRED}),
    "purge a tagged original": Scenario(tagged_and_back, work, BACK),
    "original beside an edit": Scenario(edited, work, BACK | {S.LEFT, S.FAILED}),
    "copy beside an edit": Scenario(edited, work, BACK | {S.LEFT, S.FAILED}, DAYS_0),
    "restore a renamed original": Scenario(renamed, restore_renamed, BACK | {S.RETIRED, S.LEFT}),
    "restore a renamed copy": Scenario(renamed, restore_renamed, BACK | {S.PURGED, S.LEFT}, DAYS_0),
    "original beside an edit of a renamed stand-in": Scenario(saved_over, work, BACK | {S.LEFT, S.FAILED}),
    "copy beside an edit of a renamed stand-in": Scenario(saved_over, work, BACK | {S.LEFT, S.FAILED}, DAYS_0),
    "migrate": Scenario(old_catalogue, work, frozenset({S.RETIRED})),
    "migrate a photo and purge it": Scenario(older_catalogue, work, frozenset({S.PURGED})),
    "archive and purge with parity": Scenario(nothing, work, frozenset({S.PURGED}), DAYS_0, PARITY),
    "restore a copy with a reserve": Scenario(work, restore, BACK | {S.PURGED}, DAYS_0, RESERVE),
    **{
        f"recover from a kill at {share:.0%} of {name}": Scenario(killed_at(share, before, act), work, ends, gallery)
        for name, before, act, ends, gallery in (
            ("optimize", nothing, work, frozenset({S.PURGED}), DAYS_0),
            ("restore a copy", work, restore, BACK | {S.PURGED}, DAYS_0),
            ("restore the original", work, restore, BACK | {S.RETIRED}, ""),
        )
        for share in (0.5, 0.65, 0.8, 0.9)
    },
}
