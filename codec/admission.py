"""Which pictures may go to the neural lane at all: asked before the network is loaded, since many may not."""

from codec import container
from codec.errors import Unsupported
from codec.graphic import is_graphic
from codec.picture import Picture, check_size


def admitted(original: bytes, *, graphics_too: bool = False) -> Picture:
    """The picture in a file's bytes. Raises what reading it raises, and Unsupported('too-small', 'graphic')."""
    picture = container.read(original)
    check_size(picture.structure)
    if not graphics_too and is_graphic(picture.pixels):
        raise Unsupported("graphic")
    return picture
