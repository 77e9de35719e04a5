"""Photos to small bit streams and back.

    model = codec.load_model()
    data = codec.encode_pixels(pixels, model, rate=0.5)     # uint8 (H, W, 3) or (H, W); rate 0..1, smallest to best
    pixels = codec.decode_pixels(data, model)

Importing this package imports neither torch nor numba: the three functions load what they need at their first use.
"""

from typing import TYPE_CHECKING

from codec.errors import CodecError, Corrupt, ModelMissing, NotAPicture, UnknownVersion, Unsupported

if TYPE_CHECKING:
    from codec.model import load_model
    from codec.neural import decode_pixels, encode_pixels

__all__ = [
    "CodecError",
    "Corrupt",
    "ModelMissing",
    "NotAPicture",
    "UnknownVersion",
    "Unsupported",
    "decode_pixels",
    "encode_pixels",
    "load_model",
]

_LAZY = {"load_model": "codec.model", "encode_pixels": "codec.neural", "decode_pixels": "codec.neural"}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value  # the next access finds it without coming here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
