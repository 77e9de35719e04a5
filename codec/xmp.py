"""XMP packets: what a stand-in may repeat of its photo's, and what comes back with what somebody wrote since.

Read with defusedxml: packets are what strangers wrote. A packet that can't be read is left out of a stand-in, and comes back as it was.
"""

import io
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MOST_BYTES: Final = 32 << 10
"""Of a packet that a stand-in repeats; histories of edits can be far longer."""
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
)
"""Namespaces (and what begins with one) of properties about a video, a gain map, a depth map or a second packet in the same file."""
_WRAP: Final = (b"<?xpacket begin='\xef\xbb\xbf' id='W5M0MpCehiHzreSzNTczkc9d'?>\n", b"\n<?xpacket end='w'?>")


def for_stand_in(packet: bytes, marks: Mapping[str, str]) -> bytes:
    """The packet without claims that a stand-in can't keep, and with our own properties `marks`; a new one where it can't be read."""
    root = _read(packet) if len(packet) <= MOST_BYTES else None
    if root is None:
        return _new(marks, _burst(_read(packet)))
    for description in _descriptions(root):
        for name in [name for name in description.attrib if _is_claim(name) or _is_own(name)]:
            del description.attrib[name]
        for child in [child for child in description if _is_claim(child.tag) or _is_own(child.tag)]:
            description.remove(child)
    _first(root).attrib.update({f"{{{OWN}}}{name}": value for name, value in marks.items()})
    return _written(root)


def merged(packet: bytes, edited: bytes) -> bytes:
    """What somebody made of a stand-in's packet, without our marks, and with the claims of the photo's own packet.

    The photo's own packet as it is, where nothing else was said in the other.
    """
    root, own = _read(edited), _read(packet)
    if root is None or _said(root) == _said(own):
        return packet
    for description in _descriptions(root):
        for name in [name for name in description.attrib if _is_own(name)]:
            del description.attrib[name]
        for child in [child for child in description if _is_own(child.tag)]:
            description.remove(child)
    target = _first(root)
    for description in _descriptions(own) if own is not None else ():
        for name, value in description.attrib.items():
            if _is_claim(name):
                target.attrib.setdefault(name, value)
        for child in description:
            if _is_claim(child.tag) and target.find(child.tag) is None:
                target.append(child)
    return _written(root)


def _read(packet: bytes) -> "Element | None":
    """None for what is no packet of RDF. The prefixes that it uses are those that `_written` will use, too."""
    from xml.etree.ElementTree import ParseError, register_namespace

    from defusedxml.ElementTree import fromstring, iterparse

    text = packet.strip(b"\0 \t\r\n")
    try:
        root: Element = fromstring(text, forbid_dtd=True)
        for _, (prefix, address) in iterparse(io.BytesIO(text), ("start-ns",), forbid_dtd=True):
            if prefix and not prefix.lower().startswith(("ns", "xml")):
                register_namespace(prefix, address)
    except (ParseError, ValueError, LookupError):
        return None
    return root if any(True for _ in _descriptions(root)) else None


def _descriptions(root: "Element") -> Iterator["Element"]:
    """Those of the resource itself, not of things described inside of it."""
    for rdf in root.iter(f"{{{_RDF}}}RDF"):
        yield from rdf.findall(_DESCRIPTION)


def _said(root: "Element | None") -> list[bytes]:
    """Every property that is neither a claim nor ours, however it is written down."""
    from xml.etree.ElementTree import tostring

    said = []
    for description in _descriptions(root) if root is not None else ():
        said += [f"{name}={value}".encode() for name, value in description.attrib.items() if not _is_aside(name)]
        for child in description:
            if not _is_aside(child.tag):
                plain = not len(child) and not child.attrib
                said.append(f"{child.tag}={(child.text or '').strip()}".encode() if plain else tostring(child).strip())
    return sorted(said)


def _is_aside(name: object) -> bool:
    return _is_claim(name) or _is_own(name) or name == _ABOUT


def _first(root: "Element") -> "Element":
    return next(_descriptions(root))


def _is_claim(name: object) -> bool:
    return isinstance(name, str) and name.startswith(tuple("{" + each for each in _CLAIMS)) and name not in _BURST


def _is_own(name: object) -> bool:
    return isinstance(name, str) and name.startswith("{" + OWN)


def _burst(root: "Element | None") -> dict[str, str]:
    """To which burst a photo belongs: its viewers show the frames as one."""
    found: dict[str, str] = {}
    for description in _descriptions(root) if root is not None else ():
        found |= {name: value for name, value in description.attrib.items() if name in _BURST}
        found |= {child.tag: child.text for child in description if child.tag in _BURST and child.text}
    return found


def _new(marks: Mapping[str, str], others: Mapping[str, str]) -> bytes:
    from xml.etree.ElementTree import Element, SubElement

    root = Element("{adobe:ns:meta/}xmpmeta")
    description = SubElement(SubElement(root, f"{{{_RDF}}}RDF"), _DESCRIPTION, {_ABOUT: ""})
    description.attrib.update({**others, **{f"{{{OWN}}}{name}": value for name, value in marks.items()}})
    return _written(root)


def _written(root: "Element") -> bytes:
    from xml.etree.ElementTree import register_namespace, tostring

    for prefix, address in (("x", "adobe:ns:meta/"), ("rdf", _RDF), ("GCamera", _CAMERA), (OWN_PREFIX, OWN)):
        register_namespace(prefix, address)
    data: bytes = tostring(root, encoding="utf-8", xml_declaration=False)
    return _WRAP[0] + data + _WRAP[1]
