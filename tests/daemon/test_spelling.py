"""A disk on which `IMG_1.JPG` and `img_1.jpg` are one file: a real one, exFAT."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import Result

from daemon.ports import Silence
from daemon.restorer import Came, restore
from storage.digest import sha256_of_bytes
from storage.states import State
from tests.daemon.conftest import Home
from tests.daemon.disks import Card, exfat

pytestmark = pytest.mark.root
Photo = Callable[..., bytes]


@dataclass
class Carried(Home):
    """A gallery on a card, which its user takes to another computer to change it."""

    card: Card

    def save(self, name: str, data: bytes) -> None:
        """As programs do: a new file takes the name, or another spelling of it."""
        fresh = self.root / "fresh"
        fresh.write_bytes(data)
        fresh.replace(self.root / name)
        self.again()

    def respell(self) -> None:
        (self.root / "IMG_1.JPG").rename(self.root / "img_1.jpg")
        (self.root / "trip").rename(self.root / "Trip")
        self.again()

    def again(self) -> None:
        self.card.pull()
        self.card.plug()


@pytest.fixture
def card(home: Home, photo: Photo, tmp_path: Path) -> Iterator[Carried]:
    """Two archived photos on it, in grace."""
    with exfat(tmp_path / "card", 16 << 20) as disk:
        root = disk.place / "DCIM"
        carried = Carried(root, home.places, home.clock, home.codec, disk)
        (root / "trip").mkdir(parents=True)
        (root / "IMG_1.JPG").write_bytes(photo(1))
        (root / "trip/IMG_2.JPG").write_bytes(photo(2))
        carried.configure()
        assert carried.optimize().archived == 2
        yield carried


def states(card: Carried) -> dict[str, State]:
    return {name: row.state for name, row in card.rows().items()}


def test_a_name_is_spelt_anew(card: Carried) -> None:
    card.respell()
    assert not card.optimize().left
    assert states(card) == {"IMG_1.JPG": State.RETIRED, "trip/IMG_2.JPG": State.RETIRED}  # their originals are named after these
    card.clock.forward(days=8)
    assert card.optimize().purged == 2
    card.optimize()
    assert states(card) == {"img_1.jpg": State.PURGED, "Trip/IMG_2.JPG": State.PURGED}
    before = card.files()
    assert not card.optimize().followed
    assert card.files() == before


@pytest.mark.parametrize("in_grace", [True, False])
@pytest.mark.parametrize("seen", [True, False])
def test_an_edit_under_another_spelling(card: Carried, photo: Photo, in_grace: bool, seen: bool) -> None:
    """It was a photo of its own, and the full photo of the same file came beside nothing and went with the edit."""
    if not in_grace:
        card.clock.forward(days=8)
        card.optimize()
    if seen:
        card.respell()
        card.optimize()
    card.save("img_1.jpg", photo(3))
    done = card.optimize()
    assert [each.place.name for each in done.beside] == ["img_1 (original).jpg"]
    if in_grace:
        assert (card.root / "img_1 (original).jpg").read_bytes() == photo(1)
    (card.root / "img_1.jpg").unlink()
    for days in (0, 40, 40):
        card.clock.forward(days=days)
        card.optimize()
    assert sha256_of_bytes(photo(1)) in {archive.stem for archive in card.archives()}


@pytest.mark.parametrize("in_grace", [True, False])
def test_a_photo_by_another_spelling(card: Carried, run: Callable[..., Result], in_grace: bool) -> None:
    if not in_grace:
        card.clock.forward(days=8)
        card.optimize()
    card.respell()
    for name in ("IMG_1.JPG", "img_1.jpg", "Img_1.Jpg"):
        assert ("space given back" in run("explain", card.root / name).stdout) is not in_grace
    with card.shop() as shop:
        (done,) = restore(shop, [card.root / "Img_1.jpg"], None, None, Silence())
    assert (done.trouble, done.came) == ("", Came.ORIGINAL if in_grace else Came.COPY)
    assert len(card.rows()) == 2
    assert not card.optimize().left


def test_two_files_of_one_name(home: Home, photo: Photo) -> None:
    """Where capitals do make a difference, these are two photos."""
    for seed, name in ((1, "IMG_1.JPG"), (2, "img_1.jpg")):
        (home.root / name).write_bytes(photo(seed))
    assert home.optimize().archived == 2
    (home.root / "Img_1.jpg").write_bytes(photo(3))
    assert home.optimize().archived == 1
    assert len(home.rows()) == 3
