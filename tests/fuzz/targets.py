"""What is fuzzed: everything that reads what strangers wrote. A target is given bytes and may end in a named error of the codec, or return;
anything else is a finding: another error, a wrong answer, a crash, a minute without an answer.

Pictures of more than MOST_PIXELS are refused here, as the program refuses those of more than its own, larger limits: else most of the time
would go into decoding huge and empty ones.
"""

import random
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import pytest

from codec import bitstream, canonical, container, exact, exif, iptc, lanes, pixel_exact, rans, reference, scanlines, xmp
from codec.conversion import converted, pixels_of
from codec.errors import CodecError, Corrupt, ModelMissing, Unsupported
from codec.facts import Facts
from codec.labels import merged, picture_digest
from codec.multi_picture import is_index
from codec.neural import decode_pixels, read_head
from codec.packets import packets_of
from codec.picture import JpegStructure
from codec.profile import joined, profile_of
from codec.rating import read_rating
from codec.unit import read_unit
from daemon import child, standin, wire
from daemon.exif_thumbnail import block_in, camera_thumbnail, orientation_of
from daemon.marking import mark_of, original_of
from daemon.messages import Refused, StandInJob
from storage import parity
from storage.errors import Damaged
from tests.fuzz import mutations, seeds

MOST_PIXELS = 1 << 20
SHA256 = "0" * 64


@dataclass(frozen=True)
class Target:
    """`check` raises for a finding. `seal` makes checksums right, `inside` changes what lies behind them and behind packing."""

    check: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]
    seal: Callable[[bytes], bytes] = mutations.unsealed
    inside: Callable[[bytes, random.Random, Callable[[bytes], bytes]], bytes] | None = None
    most_bytes: int = 1 << 16

    def mutated(self, data: bytes, rng: random.Random, change: Callable[[bytes], bytes] | None = None) -> bytes:
        """`change` is what is done to bytes; by default `mutations.changed`."""
        change = change or (lambda part: mutations.changed(part, rng, self.seeds()))
        turn = rng.random()
        if self.inside is not None and turn < 0.5:
            return self.inside(data, rng, change)[: self.most_bytes]
        return (self.seal(change(data)) if turn < 0.9 else change(data))[: self.most_bytes]


@contextmanager
def small_pictures() -> Iterator[None]:
    """Inside the block no picture has more than MOST_PIXELS."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("codec.picture.MAX_PIXELS", MOST_PIXELS)
        patch.setattr(exact, "MAX_PIXELS", MOST_PIXELS)
        patch.setattr(exact, "MAX_SCANNED_PIXELS", 20 * MOST_PIXELS)
        patch.setattr(scanlines, "MAX_PIXELS", MOST_PIXELS)
        patch.setattr("codec.neural.MOST_PIXELS", MOST_PIXELS)
        yield


@contextmanager
def named_errors() -> Iterator[None]:
    """What may be said of bytes. Memory that can't be had is an answer too: a worker's memory is bounded."""
    try:
        yield
    except (CodecError, MemoryError) as error:
        answer = child.as_answer(error)
        assert isinstance(answer, Refused)
        assert len(str(error)) < 1000, "an error that quotes what it was given"


def picture(data: bytes) -> None:
    """A JPEG or PNG: the neural lane's reader and writer, the lossless lanes, the stand-in, the other format, the ratings."""
    read_rating(data)
    original_of(data)
    seldom = zlib.crc32(data) % 8 == 0  # what takes many times as long as reading
    if seldom or data[:2] == b"\xff\xd8":
        with named_errors():
            standin.make(StandInJob(data, SHA256, 1.0))
    if seldom:
        with named_errors():
            pixels = pixels_of(data)
            other = converted(data, pixels, "png" if data[:2] == b"\xff\xd8" else "jpeg")
            assert pixels_of(other).shape[:2] == pixels.shape[:2], "another size"
    with named_errors():
        seen = container.read(data)
        profile_of(seen.structure)
        structure = container.from_sections(container.to_sections(seen.structure))
        assert structure == seen.structure, "sections that give another structure back"
        with named_errors():
            copy = container.write(seen.pixels, structure)
            again = container.read(copy)
            assert again.pixels.shape == seen.pixels.shape
            assert again.structure.trailer == seen.structure.trailer, "another end"
            if isinstance(structure, JpegStructure) and isinstance(again.structure, JpegStructure):
                pairs = zip(again.structure.segments, structure.segments, strict=True)
                assert all(one == other or is_index(other) or b"Primary" in other for one, other in pairs), "another segment"
    if data[:2] == b"\xff\xd8":
        with named_errors():
            sections = exact.to_sections(data)
            assert exact.from_sections(sections, seeds.facts(data)) == data, "not bit for bit"
    else:
        with named_errors():
            png = pixel_exact.read(data)
            if not seldom:
                return
            with named_errors():
                restored = pixel_exact.from_sections(pixel_exact.to_sections(png))
                assert not pixel_exact.difference(png, pixel_exact.read(restored)), "another picture"
            with named_errors():
                assert not pixel_exact.difference(png, pixel_exact.read(pixel_exact.repacked(png, 0))), "another picture"


def archive(data: bytes) -> None:
    """An archive of any lane: header, table, facts, structure, and the copy that it gives."""
    with named_errors():
        bitstream.peek(data[: bitstream.PEEK_BYTES])
    with named_errors():
        found = bitstream.unpack(data)
        assert bitstream.unpack(bitstream.pack(found)) == found
        with named_errors():
            lanes.reason_of(data)
        with named_errors():
            name = Facts.from_bytes(found.sections.get("FACT", b"")).name
            assert b"/" not in name
            assert b"\0" not in name
            assert name not in (b"", b".", b"..")
        if found.lane == "neural":
            with named_errors():
                container.from_sections(found.sections)
        else:
            lanes.restore(data, _no_model)


def _no_model() -> NoReturn:
    raise ModelMissing(bytes(32))


def stream(data: bytes) -> None:
    """A pixel stream: its head, the symbols (as the reference decoder says, too), and a picture of the right size."""
    from codec.model import load_model

    model = load_model()
    with named_errors():
        head = read_head(data)
        shown = None
        try:
            shown = decode_pixels(data, model)
            assert shown.shape[:2] == (head.height, head.width)
            assert shown.dtype == np.uint8
        finally:
            if head.cells.size <= 4 and head.model == model.digest[:8]:
                _agree(data, shown is not None)


def _agree(data: bytes, decoded: bool) -> None:
    """The reference decoder takes what ours takes, and finds the same integers. (Ours alone looks whether the floats are finite.)"""
    from codec.model import load_model, weight_file

    try:
        found = reference.read_stream(data)
        integers = [reference.read_unit(reference.read_weights(weight_file()), payload, cells) for *_, cells, payload in found.units]
    except CodecError:
        assert not decoded, "the reference decoder refuses it"
        return
    for (*_, cells, payload), (z, symbols) in zip(found.units, integers, strict=True):
        ours = read_unit(load_model(), payload, cells.astype(np.int32))
        assert np.array_equal(ours[0], z), "another z than the reference decoder's"
        assert np.array_equal(ours[1], symbols), "other symbols than the reference decoder's"


def coded(data: bytes) -> None:
    """The entropy decoder on tables and rows that the first eight bytes choose, beside the reference decoder; and back again."""
    tables, rows = seeds.tables_and_rows(data[:8])
    payload = data[8:]
    ours: list[int] | None = None
    theirs: list[int] | None = None
    try:
        decoder = rans.Decoder(payload)
        symbols = decoder.decode(rows, tables)
        decoder.finish()
        ours = symbols.tolist()
    except Corrupt:
        pass
    try:
        coder = reference.Coder(payload)
        found = coder.levels(rows, tables.freq)
        coder.finish()
        theirs = found.tolist()
    except Corrupt:
        pass
    assert ours == theirs, "the two decoders disagree"
    wanted = np.frombuffer(payload[: len(payload) // 4 * 4], "<i4")[: rows.size] % (2 * rans.LARGEST) - rans.LARGEST
    symbols = tables.clamp(wanted.astype(np.int32), rows[: wanted.size])
    decoder = rans.Decoder(rans.encode([(symbols, rows[: wanted.size], tables)]))
    assert np.array_equal(decoder.decode(rows[: wanted.size], tables), symbols), "not what was encoded"
    decoder.finish()


def metadata(data: bytes) -> None:
    """XMP, EXIF, colour profiles and facts by themselves, a sidecar, JSON; the first byte says what the rest is."""
    kind, body = data[:1], data[1:]
    jpeg = seeds.jpegs()[3]
    read_rating(b"", (body,))
    for marker, lead in ((0xE1, b"Exif\0\0"), (0xE1, b"http://ns.adobe.com/xap/1.0/\0"), (0xE2, b"ICC_PROFILE\0\1\1"), (0xE2, b"")):
        segment = bytes((0xFF, marker)) + min(len(lead + body) + 2, 65535).to_bytes(2, "big") + (lead + body)[:65533]
        whole = jpeg[:2] + segment + jpeg[2:]
        read_rating(whole)
        joined([segment])
        with named_errors():
            structure = container.read(whole).structure
            profile_of(structure)
            with named_errors():
                container.write(np.full((structure.height, structure.width), 128, np.uint8), structure, verbatim=kind != b"\1")
    with named_errors():
        said = canonical.load(body)
        try:
            assert canonical.load(canonical.dump(said)) == said
        except ValueError:  # a number beyond all bounds, which JSON can write and nobody needs
            pass
    with named_errors():
        facts = Facts.from_bytes(body)
        assert Facts.from_bytes(facts.to_bytes()) == facts


def labels(data: bytes) -> None:
    """What somebody wrote on a stand-in, given to the photo that comes back, and a photo given what a stand-in says."""
    own = seeds.jpegs()[5] if data[:2] == b"\xff\xd8" else seeds.pngs()[0]
    for photo, stand_in in ((own, data), (data, own)):
        with named_errors():
            made = merged(photo, stand_in).data
            assert picture_digest(made) == picture_digest(photo), "another picture"
            with named_errors():
                assert merged(made, stand_in).data == made, "once more changes more"


def piece(data: bytes) -> None:
    """Small readers of the daemon and the storage, and the blocks of labels without a file around them."""
    found = mark_of(data)
    assert found is None or len(found.original) == 64
    thumbnail = camera_thumbnail(block_in(data) or data)
    assert thumbnail is None or orientation_of(thumbnail.upright()[12:]) >= 1
    orientation_of(data)
    left = exif.without_thumbnail(data)
    assert len(left) <= len(data)
    list(packets_of(data))
    for one, other in ((data, seeds.exif()[6:]), (seeds.exif()[6:], data)):
        assert exif.merged(merged := exif.merged(one, other), other) == merged, "once more changes more"
    for one, other in ((data, seeds.RESOURCES), (seeds.RESOURCES, data)):
        assert iptc.merged(merged := iptc.merged(one, other), other) == merged, "once more changes more"
    for one, other in ((data, seeds.XMP), (seeds.XMP, data)):
        assert xmp.merged(merged := xmp.merged(one, other, ((4, 3), (8, 6))), other, ((4, 3), (8, 6))) == merged, "once more changes more"
    parity.is_whole(data)
    with suppress(Damaged):
        parity.damaged_blocks(parity.read_head(data), seeds.ARCHIVE)


def message(data: bytes) -> None:
    """What a worker process, taken over by what it decodes, may say to the daemon."""
    try:
        said = wire.load(data)
    except wire.Garbled:
        return
    assert type(said).__name__ in wire.NAMES
    assert wire.load(wire.dump(said)) == said or "nan" in repr(said), "another message"


TARGETS: dict[str, Target] = {
    "jpeg": Target(picture, seeds.jpegs),
    "png": Target(picture, seeds.pngs, mutations.sealed_png, mutations.inside_png),
    "archive": Target(archive, seeds.archives, mutations.sealed_archive, mutations.inside_archive),
    "stream": Target(stream, seeds.streams, mutations.sealed_stream),
    "coded": Target(coded, seeds.coded),
    "metadata": Target(metadata, seeds.metadata),
    "labels": Target(labels, lambda: (*seeds.jpegs(), *seeds.pngs()), mutations.sealed, mutations.inside),
    "piece": Target(piece, seeds.pieces),
    "message": Target(message, seeds.messages),
}

__all__ = ["TARGETS", "Target", "Unsupported", "small_pictures"]
