"""The look at a gallery: what it costs, and what becomes of photos that are gone."""

from daemon.discovery import look
from daemon.galleries import all_of
from storage.catalog import Catalog
from storage.states import State
from tests.daemon.conftest import Home


def test_new_photos_are_entered_in_groups(home: Home) -> None:
    """Each transaction waits for the disk; a first look at a hundred thousand photos would wait as often."""
    for number in range(1201):
        (home.root / f"{number:04}.jpg").write_bytes(b"x" if number % 3 else b"")
    said: list[str] = []
    with home.shop() as shop:
        (gallery,) = all_of(shop.settings)
        shop.catalog._connection.set_trace_callback(said.append)
        found = look(gallery, shop.catalog, home.clock, [])
        assert said.count("COMMIT") == 3
        assert len(found.queue) == 800
        assert [reason for _, reason in found.left] == ["empty"] * 401
        said.clear()
        again = look(gallery, shop.catalog, home.clock, [])
        assert again.queue == found.queue
        assert shop.catalog.totals().by_state[State.QUEUED] == 800


def test_who_is_gone_is_found_without_reading_all_rows(home: Home) -> None:
    for name in ("a", "b", "c"):
        (home.root / f"{name}.jpg").write_bytes(b"x")
    with home.shop() as shop:
        (gallery,) = all_of(shop.settings)
        look(gallery, shop.catalog, home.clock, [])
        (home.root / "b.jpg").unlink()
        look(gallery, shop.catalog, home.clock, [])
        rows = {row.path: row for row in shop.catalog.rows()}
    assert {path: row.state for path, row in rows.items()} == {b"a.jpg": State.QUEUED, b"b.jpg": State.LEFT, b"c.jpg": State.QUEUED}
    assert rows[b"b.jpg"].reason == "gone"


def test_who_is_gone_is_told_to_the_catalogue_in_groups(home: Home) -> None:
    for number in range(1001):
        (home.root / f"{number:04}.jpg").write_bytes(b"x")
    said: list[str] = []
    with home.shop() as shop:
        (gallery,) = all_of(shop.settings)
        look(gallery, shop.catalog, home.clock, [])
        for number in range(1, 1001):
            (home.root / f"{number:04}.jpg").unlink()
        shop.catalog._connection.set_trace_callback(said.append)
        look(gallery, shop.catalog, home.clock, [])
        assert said.count("COMMIT") == 3
        assert shop.catalog.totals().by_reason == {"gone": 1000}


def test_moves_together_are_kept_or_lost_together(home: Home) -> None:
    from storage.errors import Missing
    from tests.storage.rows import GALLERY, SEEN

    with Catalog(home.places.catalog_file.with_name("other.sqlite3")) as catalog:
        with catalog.together():
            first = catalog.enqueue(GALLERY, b"a.jpg", SEEN).row
            try:
                catalog.left(first.id + 99, "empty")
            except Missing:
                pass  # a move that is refused takes only itself back
        assert catalog.get(first.id).state is State.QUEUED
        try:
            with catalog.together():
                catalog.claim(first.id)
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass
        assert catalog.get(first.id).state is State.QUEUED
        assert catalog.miscounts() == []
