"""XMP packets: what a stand-in may repeat of its photo's, and what comes back with what somebody wrote since.

Read with defusedxml: packets are what strangers wrote. A packet that can't be read is left out of a stand-in, and comes back as it was.
"""

import io
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from codec.leads import STAND_IN_WORDS
from codec.packets import as_utf8, is_wide

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MOST_BYTES: Final = 32 << 10
"""Of a packet that a stand-in repeats; histories of edits can be far longer."""
_DEEPEST: Final = 100
"""Elements within one another; no program for photos comes near, and what writes a packet goes down by calling itself."""
OWN: Final = "http://ns.gallery-optimizer/stand-in/1.0/"
OWN_PREFIX: Final = "GalleryOptimizer"

_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DESCRIPTION: Final = f"{{{_RDF}}}Description"
_ABOUT: Final = f"{{{_RDF}}}about"
_CAMERA: Final = "http://ns.google.com/photos/1.0/camera/"
_BURST: Final = (f"{{{_CAMERA}}}BurstID", f"{{{_CAMERA}}}BurstPrimary")
_CLAIMS: Final = (
    _CAMERA,
    "http://ns.google.com/photos/1.0/container/",
    "http://ns.google.com/photos/1.0/depthmap/",
    "http://ns.google.com/photos/1.0/image/",
    "http://ns.google.com/photos/1.0/audio/",
    "http://ns.google.com/photos/dd/1.0/",
    "http://ns.adobe.com/hdr-gain-map/1.0/",
    "http://ns.apple.com/HDRGainMap/1.0/",
    "http://ns.apple.com/pixeldatainfo/1.0/",
    "http://ns.adobe.com/xmp/note/",
    "http://purl.org/dc/terms/}provenance",
)
"""Namespaces (and what begins with one) of properties about a video, a gain map, a depth map or a second packet in the same file, and about
the manifest that signs its bytes."""
_MAKERS_CLAIMS: Final = "/photos/1.0/camera/}"
"""How namespaces end in which makers say the same as Google in its own: Xiaomi, OPPO, vivo and whoever comes next."""
_PEOPLES: Final = (
    "http://purl.org/dc/elements/1.1/",
    "http://ns.adobe.com/lightroom/1.0/",
    "http://ns.adobe.com/photoshop/1.0/",
    "http://ns.adobe.com/xap/1.0/rights/",
    "http://ns.adobe.com/exif/1.0/}GPS",
    "http://iptc.org/std/Iptc4xmp",
    "http://www.metadataworkinggroup.com/schemas/",
    "http://www.digikam.org/ns/",
    "http://ns.microsoft.com/photo/",
    "http://ns.acdsee.com/",
    "http://ns.iview-multimedia.com/mediapro/",
    "http://ns.camerabits.com/photomechanic/",
    "http://ns.useplus.org/ldf/xmp/",
    "http://creativecommons.org/ns#",
)
"""Namespaces (and what begins with one) of what people say of a picture, by the programs for photos."""
_SINGLE: Final = frozenset(
    f"{{http://ns.adobe.com/{space}/1.0/}}{name}"
    for space, names in (
        ("xap", "Rating Label CreateDate"),
        ("tiff", "ImageDescription Orientation Artist Copyright"),
        ("exif", "UserComment DateTimeOriginal DateTimeDigitized"),
    )
    for name in names.split()
) | {f"{{http://ns.adobe.com/xmp/1.0/DynamicMedia/}}{name}" for name in ("pick", "good")}
_DIMENSIONS: Final = tuple(f"{{http://ns.adobe.com/xap/1.0/sType/Dimensions#}}{name}" for name in "wh")
_PROVENANCE: Final = "{http://purl.org/dc/terms/}provenance"
_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_WRAP: Final = (b"<?xpacket begin='\xef\xbb\xbf' id='W5M0MpCehiHzreSzNTczkc9d'?>\n", b"\n<?xpacket end='w'?>")


def for_stand_in(packet: bytes, marks: Mapping[str, str]) -> bytes:
    """The packet without claims that a stand-in can't keep, and with our own properties `marks`; a new one where it can't be read."""
    root = _read(packet)
    if root is None:
        return _new(marks, {})
    long = len(as_utf8(packet)) > MOST_BYTES
    for description in _descriptions(root):
        for name in [name for name in description.attrib if not _is_repeated(name, long)]:
            del description.attrib[name]
        for child in [child for child in description if not _is_repeated(child.tag, long)]:
            description.remove(child)
    _first(root).attrib.update({f"{{{OWN}}}{name}": value for name, value in marks.items()})
    made = _written(root)
    return made if len(made) <= MOST_BYTES + 1024 else _new(marks, _burst(root))


Size = tuple[int, int]
"""Width and height in pixels."""


def merged(packet: bytes, edited: bytes, sizes: tuple[Size, Size] | None = None) -> bytes:
    """The photo's own packet with what somebody wrote into its stand-in's. The packet as it is, where nothing was, or it can't be read.

    `sizes`: the stand-in's and the photo's. Where areas (faces) are said to be of a picture of the one, they are then of the other; they
    are shares of it, so nothing else changes.

    What a person says of a picture takes the place of what the photo says; what else a program wrote is only added. A label that is not in
    the other one was taken away; but not if other things are missing there, too: then a program dropped what it did not know.
    """
    theirs, own = _read(edited), _read(packet)
    if theirs is None or (own is None and packet.strip(b"\0 \t\r\n")):
        return packet
    root = _bare() if own is None else own
    before = _properties(_read(for_stand_in(packet, {})))
    after = {name: _without_mark(value, before.get(name)) for name, value in _properties(theirs).items()}
    has = _properties(root)
    if sizes is not None:
        for name, value in after.items():
            if value is not None and not isinstance(value, str) and _said(value) != _said(before.get(name)):
                _resize(value, *sizes)
    written = {
        name: value
        for name, value in after.items()
        if value is not None
        and _said(value) != _said(before.get(name))
        and _said(value) != _said(has.get(name))
        and (_is_label(name) or name not in has)
    }
    missing = before.keys() - after.keys()
    # Earlier versions could not read such a packet, and repeated nothing of it; of a long one no stand-in repeats all.
    partly = is_wide(packet) or len(packet) > MOST_BYTES
    taken = missing if not partly and all(map(_is_label, missing)) else ()
    if not written and not taken:
        return packet
    for description in _descriptions(root):
        for name in (*written, *taken):
            description.attrib.pop(name, None)
            for child in description.findall(name):
                description.remove(child)
    target = _first(root)
    for name, value in written.items():
        if isinstance(value, str):
            target.attrib[name] = value
        else:
            target.append(value)
    return _written(root)


def _without_mark(value: "str | Element", before: "str | Element | None") -> "str | Element | None":
    """A property without the texts that are our mark; what it said `before` where nothing else is left."""
    words = STAND_IN_WORDS.decode()
    if isinstance(value, str):
        return before if words in value else value
    for each in list(value.iter()):
        for item in [item for item in each if words in (item.text or "")]:
            each.remove(item)
            if not len(each):
                return before
    return before if words in (value.text or "") else value


def _resize(value: "Element", before: Size, after: Size) -> None:
    """The dimensions (MWG's guidelines 2.0, 5.9) that areas apply to, where they are those of the picture, upright or not."""
    for each in value.iter():
        inner = {child.tag: child for child in each if child.tag in _DIMENSIONS}
        said = [each.attrib.get(name) or (inner[name].text or "" if name in inner else "") for name in _DIMENSIONS]
        if sorted(said) != sorted(map(str, before)):
            continue
        for name, size in zip(_DIMENSIONS, after if said == [str(size) for size in before] else after[::-1], strict=True):
            if name in each.attrib:
                each.attrib[name] = str(size)
            else:
                inner[name].text = str(size)


def is_lost(packet: bytes, edited: bytes) -> bool:
    """Whether the packet of a stand-in has labels that can't be given to its photo, since the photo's own packet can't be read."""
    return bool(packet.strip(b"\0 \t\r\n")) and _read(packet) is None and any(map(_is_label, _properties(_read(edited))))


def is_signed(packet: bytes) -> bool:
    """Whether a packet says where a C2PA manifest of its photo is kept, which is not in the file: the C2PA specification
    has `dcterms:provenance` for that.

    One that names a manifest in the file ("self#...") says nothing of its own: where that is missing, it was taken away.
    """
    if b"http://purl.org/dc/terms/" not in as_utf8(packet):
        return False
    value = _everything(_read(packet)).get(_PROVENANCE)
    said = value if value is None or isinstance(value, str) else " ".join(_texts(value))
    return said is not None and any(_ADDRESS.match(word) for word in said.split())


def _texts(element: "Element") -> Iterator[str]:
    for each in element.iter():
        yield each.text or ""
        yield from each.attrib.values()


def _read(packet: bytes) -> "Element | None":
    """None for what is no packet of RDF. The prefixes that it uses are those that `_written` will use, too."""
    from xml.etree.ElementTree import ParseError, register_namespace

    from defusedxml.ElementTree import fromstring, iterparse

    text = as_utf8(packet)
    try:
        root: Element = fromstring(text, forbid_dtd=True)
        depth = 0
        for event, found in iterparse(io.BytesIO(text), ("start", "end", "start-ns"), forbid_dtd=True):
            if event != "start-ns":
                depth += 1 if event == "start" else -1
                if depth > _DEEPEST:
                    return None
                continue
            prefix, address = found
            if prefix and not prefix.lower().startswith(("ns", "xml")):
                register_namespace(prefix, address)
    except (ParseError, ValueError, LookupError):
        return None
    return root if any(True for _ in _descriptions(root)) else None


def _descriptions(root: "Element") -> Iterator["Element"]:
    """Those of the resource itself, not of things described inside of it."""
    for rdf in root.iter(f"{{{_RDF}}}RDF"):
        yield from rdf.findall(_DESCRIPTION)


def _properties(root: "Element | None") -> "dict[str, str | Element]":
    """Everything that is said of the resource, but for claims and our own marks, by its name."""
    return {name: value for name, value in _everything(root).items() if not _is_aside(name)}


def _everything(root: "Element | None") -> "dict[str, str | Element]":
    found: dict[str, str | Element] = {}
    for description in _descriptions(root) if root is not None else ():
        found |= description.attrib
        found |= {child.tag: child for child in description}
    return found


def _said(value: "str | Element | None") -> bytes | None:
    """A property's value, however it is written down."""
    if value is None or isinstance(value, str):
        return None if value is None else value.strip().encode()
    if not len(value) and not value.attrib:
        return (value.text or "").strip().encode()
    return b"".join(_parts(value))


def _parts(element: "Element") -> Iterator[bytes]:
    """All of an element but the blanks between its parts."""
    for each in element.iter():
        yield f"<{each.tag} {sorted(each.attrib.items())}>{(each.text or '').strip()}{(each.tail or '').strip()}".encode()


def _is_aside(name: object) -> bool:
    return _is_claim(name) or _is_own(name) or name == _ABOUT


def _first(root: "Element") -> "Element":
    return next(_descriptions(root))


def _is_claim(name: object) -> bool:
    if not isinstance(name, str) or name in _BURST:
        return False
    return name.startswith(tuple("{" + each for each in _CLAIMS)) or _MAKERS_CLAIMS in name


def _is_repeated(name: object, long: bool) -> bool:
    """By a stand-in; of a `long` packet only what people say, and to which burst it belongs."""
    if _is_claim(name) or _is_own(name):
        return False
    return not long or name == _ABOUT or name in _BURST or _is_label(name)


def _is_label(name: object) -> bool:
    """Whether a property is what a person says of a picture."""
    return isinstance(name, str) and (name.startswith(tuple("{" + each for each in _PEOPLES)) or name in _SINGLE)


def _is_own(name: object) -> bool:
    return isinstance(name, str) and name.startswith("{" + OWN)


def _burst(root: "Element | None") -> dict[str, str]:
    """To which burst a photo belongs: its viewers show the frames as one."""
    found: dict[str, str] = {}
    for description in _descriptions(root) if root is not None else ():
        found |= {name: value for name, value in description.attrib.items() if name in _BURST}
        found |= {child.tag: child.text for child in description if child.tag in _BURST and child.text}
    return found


def _bare() -> "Element":
    """A packet that says nothing."""
    from xml.etree.ElementTree import Element, SubElement

    root = Element("{adobe:ns:meta/}xmpmeta")
    SubElement(SubElement(root, f"{{{_RDF}}}RDF"), _DESCRIPTION, {_ABOUT: ""})
    return root


def _new(marks: Mapping[str, str], others: Mapping[str, str]) -> bytes:
    root = _bare()
    _first(root).attrib.update({**others, **{f"{{{OWN}}}{name}": value for name, value in marks.items()}})
    return _written(root)


def _written(root: "Element") -> bytes:
    from xml.etree.ElementTree import register_namespace, tostring

    for prefix, address in (("x", "adobe:ns:meta/"), ("rdf", _RDF), ("GCamera", _CAMERA), (OWN_PREFIX, OWN)):
        register_namespace(prefix, address)
    data: bytes = tostring(root, encoding="utf-8", xml_declaration=False)
    return _WRAP[0] + data + _WRAP[1]
