"""Which pictures may go to the neural lane at all: asked before the network is loaded, since many may not."""

from codec import container, xmp
from codec.errors import Unsupported
from codec.graphic import is_graphic
from codec.packets import packets_of
from codec.picture import Picture, check_size


def admitted(original: bytes, *, graphics_too: bool = False) -> Picture:
    """The picture in a file's bytes. Raises what reading it raises, and Unsupported('signed', 'too-small', 'graphic')."""
    picture = container.read(original)
    check_unsigned(original)
    check_size(picture.structure)
    if not graphics_too and is_graphic(picture.pixels):
        raise Unsupported("graphic")
    return picture


def check_unsigned(original: bytes) -> None:
    """Raise Unsupported('signed') for a file whose C2PA manifest is kept elsewhere, as its XMP says. One inside of it is known by its
    segment or chunk."""
    if any(map(xmp.is_signed, packets_of(original))):
        raise Unsupported("signed", "its XMP names a C2PA manifest, whose digest no re-coded picture can match")
