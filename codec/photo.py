"""The neural lane on one screen: a photo's bytes -> archive, archive -> a copy of the photo, and the examination of an archive against its
original.

archive_photo   read the file -> search the rate -> choose the copy's fineness -> pack
restore_photo   unpack -> decode -> rebuild the file
examine         unpack -> decode -> compare everything with the original
"""

import hashlib
import math
from dataclasses import dataclass
from typing import Final

from codec import canonical, container
from codec.admission import admitted
from codec.bitstream import Archive, pack, unpack
from codec.conversion import Format, converted
from codec.errors import Corrupt, Unsupported
from codec.examination import Examination
from codec.facts import Facts
from codec.fineness import Copies
from codec.guard import measure
from codec.levels import COPY_MARGIN, Level
from codec.model import Model, load_model
from codec.network.constants import TOP_QUALITY
from codec.neural import Analysed, Pixels, decode_pixels, quality_of, read_head
from codec.picture import JpegStructure, Picture, Structure
from codec.profile import profile_of
from codec.quality import ssimulacra2
from codec.rate import MARGIN, Found, fewest_bits

_HEADROOM_BYTES: Final = 1024
"""What an archive holds beside pixels, metadata and trailer, roughly; only for giving up early."""


@dataclass(frozen=True, slots=True)
class Archived:
    """An archive and what was measured while making it; scores in SSIMULACRA2 points."""

    archive: bytes
    whole: float
    worst_tile: float
    copy_whole: float
    quality_index: int
    rate: float
    width: int
    height: int
    model_name: str


def archive_photo(
    original: bytes,
    facts: Facts,
    model: Model,
    level: Level,
    *,
    min_saving: float,
    allowance_bytes: int = 0,
    rate: float | None = None,
    most_bytes: float = math.inf,
    because: tuple[str, str] | None = None,
    picture: Picture | None = None,
) -> Archived:
    """Archive the bytes of a JPEG or PNG in the neural lane, with the fewest bits that pass `level`.

    `min_saving` is the share (0..1) that archive and allowance (the stand-in) together must save, -inf to switch the rule off; beyond
    `most_bytes` another lane's archive is smaller. With `rate` (0..1) there is no search and no guard: it is encoded once at that rate, and
    measured. `because`: slug and sentence that the archive shall say about the choice of its lane. `picture`: the original as `admitted`
    read it, to save reading it again. Raises NotAPicture, Corrupt, Unsupported ('no-gain' and 'quality-not-reached' among its reasons).
    """
    picture = picture or admitted(original, graphics_too=rate is not None)
    kept = container.to_sections(picture.structure)
    most = min((1 - min_saving) * len(original) - allowance_bytes, most_bytes)
    profile = profile_of(picture.structure)
    copies = Copies(picture, len(original), None if rate is not None else level.whole - COPY_MARGIN + MARGIN)
    if rate is None:
        room = most - sum(map(len, kept.values())) - _HEADROOM_BYTES
        found = fewest_bits(picture.pixels, model, level, most_bytes=room, profile=profile, needs=copies)
    else:
        found = Found.at(quality_of(rate), picture.pixels, Analysed(picture.pixels, model), model, profile=profile)
    found, structure, copy_whole = copies.fit(found, model)
    measured = {
        "level": level.name,
        "whole": round(found.score.whole, 3),
        "worst_tile": round(found.score.worst_tile, 3),
        "tile": list(found.score.tile),
    }
    measured |= {"copy_whole": round(copy_whole, 3), "quality": found.quality, "guarded": rate is None}
    measured |= {} if found.verdict is None else found.verdict.as_dict()
    if because is not None:
        measured |= {"choice": because[0], "why": because[1]}
    sections = {
        "FACT": facts.to_bytes(),
        "QUAL": canonical.dump(measured),
        "PIXL": found.stream,
        **container.to_sections(structure),
    }
    archive = pack(Archive("neural", model.digest, sections))
    if len(archive) > most:
        raise Unsupported("no-gain", f"{len(archive) + allowance_bytes} bytes instead of {len(original)}")
    height, width = picture.pixels.shape[:2]
    return Archived(
        archive=archive,
        whole=found.score.whole,
        worst_tile=found.score.worst_tile,
        copy_whole=copy_whole,
        quality_index=found.quality,
        rate=found.quality / TOP_QUALITY,
        width=width,
        height=height,
        model_name=model.name,
    )


def restore_photo(archive: bytes, model: Model, format: Format | None = None) -> bytes:
    """The copy of a photo that an archive stands for, as a file of the original's kind or of the `format` named.

    Raises Corrupt, UnknownVersion, ModelMissing.
    """
    pixels, structure, _ = _decoded(archive, model)
    copy = container.write(pixels, structure, verbatim=False)  # it was proven to fit; another encoder's copy beats none
    own = "jpeg" if isinstance(structure, JpegStructure) else "png"
    return copy if format in (None, own) else converted(copy, pixels, format)


def examine(archive: bytes, original: bytes, model: Model) -> Examination:
    """Decode an archive, rebuild its copy, and measure both against the original's bytes. Raises what restoring and reading raise."""
    pixels, structure, facts = _decoded(archive, model)
    picture = container.read(original)
    if pixels.shape != picture.pixels.shape:
        raise Corrupt(f"the archive decodes to {pixels.shape}, the original has {picture.pixels.shape}")
    profile = profile_of(picture.structure)
    found, measured = measure(picture.pixels, pixels, profile=profile)
    rebuilt = container.write(pixels, structure)
    copy = container.read(rebuilt)
    digest = hashlib.sha256(original).hexdigest()
    return Examination(
        whole=found.whole,
        worst_tile=found.worst_tile,
        copy_whole=ssimulacra2(picture.pixels, copy.pixels, profile=profile),
        metadata_equal=_kept(copy.structure) == _kept(picture.structure) and facts.sha256 == digest and facts.size_bytes == len(original),
        original_sha256=digest,
        archive_sha256=hashlib.sha256(archive).hexdigest(),
        measured=measured,
        copy_sha256=hashlib.sha256(rebuilt).hexdigest(),
        copy_bytes=len(rebuilt),
    )


def _decoded(archive: bytes, model: Model) -> tuple[Pixels, Structure, Facts]:
    parts = unpack(archive)
    if parts.lane != "neural" or parts.model_digest is None or not {"PIXL", "FACT"} <= parts.sections.keys():
        raise Corrupt("the archive lacks what its lane needs")
    if parts.model_digest != model.digest:
        model = load_model(parts.model_digest)
    structure = container.from_sections(parts.sections)
    head = read_head(parts.sections["PIXL"])
    if (head.height, head.width, head.grey) != (structure.height, structure.width, structure.grey):
        raise Corrupt("the archive's pixels are not those of its structure")
    pixels = decode_pixels(parts.sections["PIXL"], model)
    return pixels, structure, Facts.from_bytes(parts.sections["FACT"])


def _kept(structure: Structure) -> tuple[tuple[bytes, ...], bytes]:
    """All of a file but its pixels."""
    if isinstance(structure, JpegStructure):
        return structure.segments, structure.trailer
    return (*structure.before, *structure.after), structure.trailer
