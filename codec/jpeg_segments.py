"""The markers of a JPEG, walked to the end of its primary image.

The end is the EOI that the walk arrives at. Thumbnails, gain maps, videos and trailers hold EOI bytes too, so neither the
first nor the last FFD9 in the file says anything. What belongs to no segment is damage, as it is to libjpeg.
"""

import re
from dataclasses import dataclass

from codec.errors import Corrupt, NotAPicture, Unsupported

EOI, SOS, DQT, DRI, DNL, DHT = 0xD9, 0xDA, 0xDB, 0xDD, 0xDC, 0xC4
APP0, APP1, APP11, APP14, APP15, COM = 0xE0, 0xE1, 0xEB, 0xEE, 0xEF, 0xFE
SOFS = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive

_REFUSED = {
    0xC3: ("lossless-jpeg", "SOF3"),
    0xC5: ("hierarchical", "SOF5"),
    0xC6: ("hierarchical", "SOF6"),
    0xC7: ("hierarchical", "SOF7"),
    0xC9: ("arithmetic", "SOF9"),
    0xCA: ("arithmetic", "SOF10"),
    0xCB: ("lossless-jpeg", "SOF11"),
    0xCD: ("hierarchical", "SOF13"),
    0xCE: ("hierarchical", "SOF14"),
    0xCF: ("hierarchical", "SOF15"),
    0xDE: ("hierarchical", "DHP"),
    0xF7: ("lossless-jpeg", "JPEG-LS"),
}
_KNOWN = frozenset((*SOFS, DHT, 0xCC, SOS, DQT, DNL, DRI, *range(APP0, APP15 + 1), COM))
_BARE = frozenset((0x01, *range(0xD0, 0xD8)))  # TEM and RSTn stand alone; libjpeg skips them between segments

# In entropy coded data FF is followed by 00 (stuffed), by RSTn, or by more FF (fill). All else is the next segment.
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")

# Zig-zag position -> place in a block read row by row.
_ZIGZAG = tuple(sorted(range(64), key=lambda k: (k // 8 + k % 8, k // 8 if (k // 8 + k % 8) % 2 else k % 8)))


@dataclass(frozen=True, slots=True)
class Segment:
    """One marker segment of `data`: fill bytes from `start`, payload from `body` to `body_end`, and up to `end` its entropy data."""

    marker: int
    start: int
    body: int
    body_end: int
    end: int

    @property
    def kept(self) -> bool:
        """Whether it is metadata, which a copy gets verbatim. The others say how pixels are coded and are made anew."""
        return APP0 <= self.marker <= APP15 or self.marker == COM


@dataclass(frozen=True, slots=True)
class Component:
    id: int
    horizontal: int
    vertical: int
    table: int


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame header and what the scans under it use."""

    width: int
    height: int
    progressive: bool
    components: tuple[Component, ...]
    quantisation: tuple[tuple[int, ...], ...]  # one a component, 64 steps in row order, as its first scan found them
    restart_interval: int
    scans: int


def walk(data: bytes, begin: int = 0) -> tuple[list[Segment], int]:
    """The segments between SOI, at `begin`, and the EOI of the image that it begins, and the offset just after that EOI.

    Raises NotAPicture without an SOI, Unsupported for the JPEG processes that no phone writes, Corrupt for all that libjpeg
    would have to skip, guess or stop at.
    """
    if data[begin : begin + 2] != b"\xff\xd8" or len(data) < begin + 4:
        raise NotAPicture("no JPEG begins here")
    segments: list[Segment] = []
    at = begin + 2
    while True:
        start = at
        if at >= len(data):
            raise Corrupt("truncated: the file ends without an EOI marker")
        if data[at] != 0xFF:
            raise Corrupt(f"damaged: bytes at {at} belong to no segment")
        while at < len(data) and data[at] == 0xFF:
            at += 1
        if at >= len(data):
            raise Corrupt("truncated: the file ends in fill bytes")
        marker = data[at]
        at += 1
        if marker == EOI:
            return segments, at
        if marker in _BARE:
            segments.append(Segment(marker, start, at, at, at))
            continue
        if marker in _REFUSED:
            raise Unsupported(*_REFUSED[marker])
        if marker not in _KNOWN:
            raise Corrupt(f"damaged: marker {marker:02x} at {at - 1} cannot stand here")
        length = int.from_bytes(data[at : at + 2], "big")
        if at + max(length, 2) > len(data):
            raise Corrupt(f"truncated: the segment at {start} passes the end of the file")
        if length < 2:
            raise Corrupt(f"damaged: the segment at {start} has no length")
        body, body_end = at + 2, at + length
        at = body_end
        if marker == SOS:
            found = _NEXT_MARKER.search(data, at)
            if found is None:
                raise Corrupt("truncated: the picture's data runs to the end of the file, without an EOI marker")
            at = found.start()
            while data[at - 1] == 0xFF and at > body_end:  # fill bytes belong to the marker that they stand before
                at -= 1
        segments.append(Segment(marker, start, body, body_end, at))


def frame(data: bytes, segments: list[Segment]) -> Frame:
    """The frame of a walked file. Raises Unsupported (precision, colours, DNL) or Corrupt, also where scans leave something out."""
    header: tuple[int, int, int, tuple[Component, ...]] | None = None
    tables: dict[int, tuple[int, ...]] = {}
    used: dict[int, tuple[int, ...]] = {}
    scripts: list[bytes] = []
    restart_interval = 0
    for segment in segments:
        payload = data[segment.body : segment.body_end]
        if segment.marker in SOFS:
            if header is not None:
                raise Corrupt("damaged: two frame headers")
            header = (segment.marker, *_frame_header(payload))
        elif segment.marker == DQT:
            tables.update(_quantisation(payload))
        elif segment.marker == DRI and not scripts:
            if len(payload) != 2:
                raise Corrupt("damaged: a restart interval of a wrong length")
            restart_interval = int.from_bytes(payload, "big")
        elif segment.marker == SOS:
            if header is None:
                raise Corrupt("damaged: a scan before the frame header")
            scripts.append(payload)
            for component in header[3]:
                if component.id in payload[1:-3:2] and component.id not in used:
                    if component.table not in tables:
                        raise Corrupt("damaged: a quantisation table is missing")
                    used[component.id] = tables[component.table]  # latched at the first scan, as libjpeg does
    if header is None:
        raise Corrupt("damaged: there is no frame header, hence no picture")
    marker, width, height, components = header
    if any(segment.marker == DNL for segment in segments):
        raise Unsupported("dnl", "the height is given after the first scan")
    if height == 0:
        raise Corrupt("damaged: the height is 0")
    progressive = marker == SOFS[2]
    _check_complete(scripts, components, progressive)
    quantisation = tuple(used[component.id] for component in components)
    return Frame(width, height, progressive, components, quantisation, restart_interval, len(scripts))


def _frame_header(payload: bytes) -> tuple[int, int, tuple[Component, ...]]:
    if len(payload) < 6 or len(payload) != 6 + 3 * payload[5]:
        raise Corrupt("damaged: a frame header of a wrong length")
    if payload[0] != 8:
        raise Unsupported("12-bit", f"{payload[0]} bits a sample")
    height, width = int.from_bytes(payload[1:3], "big"), int.from_bytes(payload[3:5], "big")
    if width == 0:
        raise Corrupt("damaged: the width is 0")
    if payload[5] == 4:
        raise Unsupported("cmyk", "four colour components")
    if payload[5] not in (1, 3):
        raise Unsupported("components", f"{payload[5]} colour components")
    components = []
    for i in range(6, len(payload), 3):
        component = Component(payload[i], payload[i + 1] >> 4, payload[i + 1] & 15, payload[i + 2])
        if not (1 <= component.horizontal <= 4 and 1 <= component.vertical <= 4):
            raise Corrupt("damaged: sampling factors outside 1..4")
        components.append(component)
    if len({component.id for component in components}) != len(components):
        raise Corrupt("damaged: two components of one name")
    return width, height, tuple(components)


def _quantisation(payload: bytes) -> dict[int, tuple[int, ...]]:
    tables: dict[int, tuple[int, ...]] = {}
    at = 0
    while at < len(payload):
        wide, number = payload[at] >> 4, payload[at] & 15
        size = 128 if wide else 64
        raw = payload[at + 1 : at + 1 + size]
        if wide > 1 or number > 3 or len(raw) != size:
            raise Corrupt("damaged: a quantisation table is cut")
        steps = [int.from_bytes(raw[2 * k : 2 * k + 2], "big") for k in range(64)] if wide else list(raw)
        if min(steps) == 0:
            raise Corrupt("damaged: a quantisation step of 0")
        table = [0] * 64
        for k, step in enumerate(steps):
            table[_ZIGZAG[k]] = step
        tables[number] = tuple(table)
        at += 1 + size
    return tables


def _check_complete(scripts: list[bytes], components: tuple[Component, ...], progressive: bool) -> None:
    """Raise Corrupt where a component, a coefficient or its last bits were never sent.

    libjpeg decodes such a file without a warning and smooths the blocks over: a download that stopped between two scans, and was
    then closed with an EOI, would pass as a whole picture.
    """
    missing_bits = {component.id: [14] * 64 for component in components}  # 14: not sent at all
    for script in scripts:
        count = script[0] if script else 0
        if len(script) != 4 + 2 * count or not 1 <= count <= 4:
            raise Corrupt("damaged: a scan header of a wrong length")
        first, last, low = (script[-3], script[-2], script[-1] & 15) if progressive else (0, 63, 0)
        if first > last or last > 63 or low > 13:
            raise Corrupt("damaged: a scan of coefficients that do not exist")
        for name in script[1:-3:2]:
            if name not in missing_bits:
                raise Corrupt("damaged: a scan of a component that does not exist")
            missing_bits[name][first : last + 1] = [low] * (last + 1 - first)
    if any(any(bits) for bits in missing_bits.values()):
        raise Corrupt("truncated: scans of the picture are missing")


def colour_segment(data: bytes, segments: list[Segment], found: Frame) -> bytes:
    """An Adobe segment that says in plain words what libjpeg takes the three components of a file for; empty for grey.

    A JFIF segment means YCbCr, whatever else there is; then the Adobe segment decides, then the names of the components.
    """
    if len(found.components) != 3:
        return b""
    ids, jfif, transform = bytes(component.id for component in found.components), False, None
    for segment in segments:
        if segment.marker == SOS:
            break
        size = segment.body_end - segment.body
        if segment.marker == APP0 and size >= 14 and data.startswith(b"JFIF\0", segment.body):
            jfif = True
        elif segment.marker == APP14 and size >= 12 and data.startswith(b"Adobe", segment.body):
            transform = data[segment.body + 11]
    rgb = not jfif and (ids == b"RGB" if transform is None else transform == 0)
    return b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + (b"\0" if rgb else b"\1")
