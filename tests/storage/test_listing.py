"""What the catalogue says of a folder."""

from storage.catalog import Catalog
from tests.storage.rows import GALLERY, SEEN, Clock, retired


def test_what_lies_in_a_folder_is_listed(catalog: Catalog) -> None:
    paths = [
        b"a.jpg",
        b"\xff\xff.jpg",
        b"2021/b.jpg",
        b"2021/c/d.jpg",
        b"2021.jpg",
        b"20210/e.jpg",
        b"2021-/f.jpg",
        b"20/g.jpg",
        b"\xff/h.jpg",
    ]
    for path in paths:
        catalog.enqueue(GALLERY, path, SEEN)
    catalog.enqueue(b"/elsewhere", b"2021/z.jpg", SEEN)
    assert [path for _, path in catalog.listed(GALLERY)] == sorted(paths)
    for folder in (b"", b"2021", b"2021/c", b"20", b"202", b"2021-", b"\xff", b"2021/", b"%", b"nothing"):
        assert [path for _, path in catalog.listed(GALLERY, folder)] == sorted(each for each in paths if each.rpartition(b"/")[0] == folder)
    row_id, path = catalog.listed(GALLERY, b"2021/c")[0]
    assert catalog.get(row_id).path == path


def test_what_was_deleted_or_is_gone_is_not_listed(catalog: Catalog, clock: Clock) -> None:
    kept, gone = retired(catalog), catalog.enqueue(GALLERY, b"gone.jpg", SEEN).row
    catalog.left(gone.id, "gone")
    assert catalog.listed(GALLERY) == [(kept.id, b"IMG_1.jpg")]
    catalog.missed(kept.id)
    assert catalog.listed(GALLERY) == []
