"""Which lane a photo takes, and every lane behind one door.

    choose(original, facts, model, wanted)   the smallest archive of the lanes that satisfy what is wanted, and why it is that one
    restore(archive, model, format)          a copy: the original itself from the exact lane
    examine(archive, original, model)        what another process finds out about an archive, or a re-packed PNG, and its original

`neural` for photographs, where it reaches the level; `exact` for JPEGs; `pixel-exact` for PNGs. `model` is a function: where no photo
takes the neural lane, neither the model nor torch is ever loaded.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from codec import canonical, exact, pixel_exact
from codec.admission import admitted, check_unsigned
from codec.bitstream import Archive, pack, peek, unpack
from codec.container import read as read_container
from codec.conversion import Format, converted, pixels_of
from codec.errors import Corrupt, Unsupported
from codec.examination import Examination
from codec.facts import Facts
from codec.leads import PNG_SIGNATURE
from codec.levels import EXACT, Level

if TYPE_CHECKING:
    from codec.model import Model

Loader = Callable[[], "Model"]
_T = TypeVar("_T")

ARCHIVE_SHARE: Final = 0.8
"""An archive of a PNG and its stand-in have to be at most so much of the re-packed PNG; else that takes the original's place."""

WORTH_A_LOOK: Final = 1 / 3
"""A PNG that the neural lane makes smaller than this share is not tried without loss: no lossless codec gets there with photographs."""

CLEARLY: Final = 0.95
"""Below this share of that bound a better packing of the PNG would not change the choice, so it is not looked for."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an archive has to satisfy. Shares 0..1, minus infinity: any archive will do."""

    level: Level
    min_saving: float
    """Of the neural lane, the stand-in counted."""
    min_saving_lossless: float
    stand_in_bytes: int | None = 0
    """What is spent beside an archive; None: no stand-in can be made, so that only a re-packed PNG will do."""
    repack: bool = True
    """Whether a re-packed PNG may take the original's place."""
    rate: float | None = None
    """0..1: no choice and no search, the neural lane at this rate."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """An archive, or a re-packed PNG (then `archive` is empty), and why. Scores in SSIMULACRA2 points, 100 where nothing is lost."""

    lane: str
    archive: bytes
    repacked: bytes
    choice: str
    """Slug: 'smallest', 'quality-exact', or the reason for which the neural lane was not taken."""
    why: str
    whole: float
    worst_tile: float
    copy_whole: float
    width: int
    height: int
    quality_index: int = 0
    rate: float = 0.0
    model_name: str = ""


@dataclass(frozen=True, slots=True)
class _Lossless:
    """A lossless archive but for its header, and its size as a file, at most."""

    lane: str
    sections: dict[str, bytes]
    size_bytes: int
    width: int
    height: int


_HEADROOM_BYTES: Final = 700
"""What an archive holds beside the facts and the sections that say what the photo is, at most."""


def choose(original: bytes, facts: Facts, model: Loader, wanted: Wanted) -> Chosen:
    """The smallest that satisfies. Raises NotAPicture, Corrupt (no lane archives damage as health), Unsupported with the reason."""
    if wanted.rate is not None:
        return _neural(original, facts, model, wanted, math.inf, ("rate", "a rate was asked for"))
    if original[:2] == b"\xff\xd8":
        return _jpeg(original, facts, model, wanted)
    if original[:8] == PNG_SIGNATURE:
        return _png(original, facts, model, wanted)
    read_container(original)  # raises: it knows other formats by name
    raise Unsupported("unsupported-format", "neither a JPEG nor a PNG")


def restore(archive: bytes, model: Loader, format: Format | None = None) -> bytes:
    """The copy that an archive stands for, of the original's kind or of the `format` named.

    Raises Corrupt, UnknownVersion, ModelMissing.
    """
    if peek(archive).lane == "neural":
        from codec.photo import restore_photo

        return restore_photo(archive, model(), format)
    copy = _lossless_copy(archive)
    own = "png" if copy[:8] == PNG_SIGNATURE else "jpeg"
    return copy if format in (None, own) else converted(copy, pixels_of(copy), format)


def examine(archive: bytes, original: bytes, model: Loader) -> Examination:
    """Restore an archive (or take a re-packed PNG as it is) and compare it with the original. Raises what restoring and reading raise."""
    repacked = archive[:8] == PNG_SIGNATURE
    if not repacked and peek(archive).lane == "neural":
        from codec.photo import examine as examine_neural

        return examine_neural(archive, original, model())
    copy = archive if repacked else _lossless_copy(archive)
    digest = hashlib.sha256(original).hexdigest()
    if original[:8] == PNG_SIGNATURE:
        found = pixel_exact.difference(pixel_exact.read(original), pixel_exact.read(copy))
        alike = not found and pixel_exact.seen_alike(original, copy)
    else:
        alike = copy == original
    known = repacked or Facts.from_bytes(peek(archive).small["FACT"]).sha256 == digest
    score = 100.0 if alike else 0.0
    return Examination(score, score, score, alike and known, digest, hashlib.sha256(archive).hexdigest(), copy_bytes=len(copy))


def reason_of(archive: bytes) -> tuple[str, str]:
    """Why an archive is of its lane: slug and sentence, empty where it does not say (early archives don't). Raises Corrupt."""
    if archive[:8] == PNG_SIGNATURE:
        return "", ""
    said = canonical.load(peek(archive).small.get("QUAL", b"{}"))
    choice, why = said.get("choice", ""), said.get("why", "")
    return (choice, why) if isinstance(choice, str) and isinstance(why, str) else ("", "")


def _jpeg(original: bytes, facts: Facts, model: Loader, wanted: Wanted) -> Chosen:
    """The exact lane first: it is quick, and its size tells the neural lane's search when to give up."""
    if wanted.stand_in_bytes is None:
        exact.check(original)
        raise Unsupported("stand-in-too-large")
    lossless = _tried(partial(_exact, original, facts, wanted))
    neural: Chosen | Unsupported | None = None
    if wanted.level.name != EXACT.name:
        most = math.inf if isinstance(lossless, Unsupported) else lossless.size_bytes
        neural = _tried(partial(_neural, original, facts, model, wanted, most, ("smallest", _reached(wanted, lossless, original))))
    if isinstance(neural, Chosen):
        return neural
    if isinstance(lossless, Unsupported):
        raise _neither(neural, lossless)
    return _packed(lossless, original, facts, wanted, neural)


def _png(original: bytes, facts: Facts, model: Loader, wanted: Wanted) -> Chosen:
    """The neural lane first: a photograph's PNG gets so small there that nothing else needs to be tried."""
    check_unsigned(original)
    if wanted.level.name == EXACT.name:
        pixel_exact.read(original)
        raise Unsupported("exact-png")
    neural: Chosen | Unsupported = Unsupported("stand-in-too-large")
    if wanted.stand_in_bytes is not None:
        neural = _tried(partial(_neural, original, facts, model, wanted, math.inf, ("smallest", _reached(wanted, None, original))))
    if isinstance(neural, Chosen) and len(neural.archive) <= WORTH_A_LOOK * len(original):
        return neural
    lossless = _tried(partial(_pixel_exact, original, facts, wanted, neural))
    if isinstance(neural, Unsupported):
        if isinstance(lossless, Unsupported):
            raise _neither(neural, lossless)
        return lossless
    if isinstance(lossless, Unsupported):
        return neural
    spent = len(lossless.repacked) if lossless.repacked else len(lossless.archive) + (wanted.stand_in_bytes or 0)
    return lossless if spent < len(neural.archive) + (wanted.stand_in_bytes or 0) else neural


def _tried(make: Callable[[], _T]) -> _T | Unsupported:
    try:
        return make()
    except Unsupported as error:
        return error


def _neural(original: bytes, facts: Facts, model: Loader, wanted: Wanted, most_bytes: float, because: tuple[str, str]) -> Chosen:
    picture = admitted(original, graphics_too=wanted.rate is not None)
    from codec.photo import archive_photo

    made = archive_photo(
        original,
        facts,
        model(),
        wanted.level,
        min_saving=wanted.min_saving,
        allowance_bytes=wanted.stand_in_bytes or 0,
        rate=wanted.rate,
        most_bytes=most_bytes,
        because=because,
        picture=picture,
    )
    return Chosen(
        lane="neural",
        archive=made.archive,
        repacked=b"",
        choice=because[0],
        why=because[1],
        whole=made.whole,
        worst_tile=made.worst_tile,
        copy_whole=made.copy_whole,
        width=made.width,
        height=made.height,
        quality_index=made.quality_index,
        rate=made.rate,
        model_name=made.model_name,
    )


def _exact(original: bytes, facts: Facts, wanted: Wanted) -> _Lossless:
    sections = exact.to_sections(original)
    said = canonical.load(sections["STRC"])
    size = _size(sections, facts)
    made = _Lossless("exact", sections, size, said["width"], said["height"])
    _check_saving(size + (wanted.stand_in_bytes or 0), original, wanted)
    return made


def _pixel_exact(original: bytes, facts: Facts, wanted: Wanted, neural: Chosen | Unsupported) -> Chosen:
    """An archive where it and its stand-in beat the re-packed PNG by a fifth, else that PNG. Raises Unsupported."""
    png = pixel_exact.read(original)
    archive: _Lossless | Unsupported = Unsupported("stand-in-too-large")
    if wanted.stand_in_bytes is not None:
        archive = _tried(partial(_as_webp, png, facts))
    spent = math.inf if isinstance(archive, Unsupported) else archive.size_bytes + (wanted.stand_in_bytes or 0)
    data = original
    if wanted.repack:
        for level in (2, 4):
            if spent > CLEARLY * ARCHIVE_SHARE * len(data) and (level == 2 or png.layout.pixels <= pixel_exact.SLOW_PIXELS):
                data = min(data, pixel_exact.repacked(png, level), key=len)
        if spent > ARCHIVE_SHARE * len(data) and len(data) < len(original):
            _check_saving(len(data), original, wanted)
            said = f"an archive with its stand-in would not be a fifth smaller than the PNG packed anew, {_share(len(data), original)}"
            return _lossless_chosen("pixel-exact", b"", data, _because(wanted, neural, said), png.layout.width, png.layout.height)
    if isinstance(archive, Unsupported):
        raise archive if archive.reason != "16-bit" or not wanted.repack else Unsupported("16-bit", "packing the PNG anew saves nothing")
    if spent > ARCHIVE_SHARE * len(original) and wanted.repack and wanted.min_saving_lossless > -math.inf:
        raise Unsupported("no-gain", f"a lossless archive and its stand-in: {_share(spent, original)}; a fifth is needed")
    _check_saving(spent, original, wanted)
    return _packed(archive, original, facts, wanted, neural)


def _as_webp(png: pixel_exact.Png, facts: Facts) -> _Lossless:
    sections = pixel_exact.to_sections(png)
    return _Lossless("pixel-exact", sections, _size(sections, facts), png.layout.width, png.layout.height)


def _size(sections: dict[str, bytes], facts: Facts) -> int:
    return sum(map(len, sections.values())) + len(facts.to_bytes()) + _HEADROOM_BYTES


def _check_saving(spent_bytes: float, original: bytes, wanted: Wanted) -> None:
    if spent_bytes > (1 - wanted.min_saving_lossless) * len(original):
        raise Unsupported("no-gain", _share(spent_bytes, original))


def _packed(made: _Lossless, original: bytes, facts: Facts, wanted: Wanted, neural: Chosen | Unsupported | None) -> Chosen:
    because = _because(wanted, neural, f"the {made.lane} lane is {_share(made.size_bytes, original)}")
    said = {"level": wanted.level.name, "whole": 100, "worst_tile": 100, "copy_whole": 100, "guarded": False}
    qual = canonical.dump({**said, "choice": because[0], "why": because[1]})
    archive = pack(Archive(made.lane, None, {"FACT": facts.to_bytes(), "QUAL": qual, **made.sections}))
    return _lossless_chosen(made.lane, archive, b"", because, made.width, made.height)


def _lossless_chosen(lane: str, archive: bytes, repacked: bytes, because: tuple[str, str], width: int, height: int) -> Chosen:
    return Chosen(lane, archive, repacked, *because, whole=100.0, worst_tile=100.0, copy_whole=100.0, width=width, height=height)


def _reached(wanted: Wanted, lossless: _Lossless | Unsupported | None, original: bytes) -> str:
    """Why the neural lane, said before it is tried, since the archive itself says it."""
    said = f'the neural lane reaches "{wanted.level.name}"'
    if isinstance(lossless, _Lossless):
        return f"{said} in fewer bytes than the exact lane, which is {_share(lossless.size_bytes, original)}"
    return said if lossless is None else f"{said}; the exact lane is no choice ({lossless})"


def _because(wanted: Wanted, neural: Chosen | Unsupported | None, lossless: str) -> tuple[str, str]:
    """Why not the neural lane (None: it was not asked): slug and sentence."""
    if neural is None:
        return "quality-exact", f"quality is exact; {lossless}"
    if isinstance(neural, Chosen):
        return "smallest", f'{lossless}, and the neural lane would not be smaller at "{wanted.level.name}"'
    if neural.reason == "no-gain":
        return "smallest", f'the neural lane does not reach "{wanted.level.name}" in few enough bytes; {lossless}'
    if neural.reason in ("quality-not-reached", "copy-quality", "distortion"):
        return neural.reason, f'the neural lane did not reach "{wanted.level.name}" ({neural}); {lossless}'
    return neural.reason, f"the neural lane was not taken ({neural}); {lossless}"


def _neither(neural: Unsupported | None, lossless: Unsupported) -> Unsupported:
    """The last resort's reason, unless it merely failed; both are told."""
    if neural is None or neural.reason == lossless.reason:
        return lossless
    first, second = (neural, lossless) if lossless.reason == "exact-failed" else (lossless, neural)
    lane = "lossless" if first is neural else "neural"
    return Unsupported(first.reason, "; ".join(filter(None, (first.detail, f"{lane} lane: {second}"))))


def _share(size_bytes: float, original: bytes) -> str:
    share = 1 - size_bytes / len(original)
    return f"{share:.0%} smaller" if share >= 0 else f"{-share:.0%} larger"


def _lossless_copy(archive: bytes) -> bytes:
    parts = unpack(archive)
    if parts.lane == "neural" or parts.model_digest is not None or "FACT" not in parts.sections:
        raise Corrupt("the archive lacks what its lane needs")
    facts = Facts.from_bytes(parts.sections["FACT"])
    if parts.lane == "exact":
        return exact.from_sections(parts.sections, facts)
    return pixel_exact.from_sections(parts.sections)
