"""Our codec and what people would pick instead, each behind the same three functions."""

import functools
import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

Pixels = NDArray[np.uint8]
OURS, ANCHOR = "ours", "jpeg"
TITLES = {OURS: "ours", ANCHOR: "libjpeg-turbo", "jpegli": "jpegli", "webp": "WebP", "avif": "AVIF", "jxl": "JPEG XL"}


@dataclass(frozen=True, slots=True)
class Codec:
    """`prepare(pixels)` gives the encoder of one picture, setting -> bytes; what does not depend on the setting is done there."""

    name: str
    version: str
    settings: tuple[int, ...]
    """From smallest to largest file."""
    reach: tuple[int, int]
    """The smallest and largest setting there is."""
    prepare: Callable[[Pixels], Callable[[int], bytes]]
    decode: Callable[[bytes], Pixels]


def _saving(threads: dict[str, Any], **options: Any) -> Callable[[Pixels], Callable[[int], bytes]]:
    """An encoder of Pillow's, or of a plugin of it."""

    def prepare(pixels: Pixels) -> Callable[[int], bytes]:
        image = Image.fromarray(pixels)

        def encode(quality: int) -> bytes:
            buffer = io.BytesIO()
            image.save(buffer, quality=quality, **threads, **options)
            return buffer.getvalue()

        return encode

    return prepare


def _opened(data: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def ours(model: str | None = None, threads: int = 1) -> Codec:
    """`model` is the name of a shipped model or a weight file; default: the model that ships as default."""
    import torch

    from codec import decode_pixels, load_model
    from codec.model import model_from
    from codec.network.constants import TOP_QUALITY
    from codec.neural import Analysed

    torch.set_num_threads(threads)
    if model is not None and Path(model).is_file():
        loaded = model_from(Path(model).read_bytes())
    else:
        loaded = load_model(model) if model is not None else load_model()

    def prepare(pixels: Pixels) -> Callable[[int], bytes]:
        analysed = Analysed(pixels, loaded)
        return lambda quality: analysed.encode(quality).stream

    called = f"model {loaded.name} ({loaded.digest[:4].hex()})"
    settings = 0, 40, 80, 120, 160, 200, TOP_QUALITY
    return Codec(OURS, called, settings, (0, TOP_QUALITY), prepare, lambda data: decode_pixels(data, loaded))


_JPEG_SETTINGS = (8, 20, 40, 62, 80, 91, 97)


def _jpeg(threads: int) -> Codec:
    prepare = _saving({}, format="JPEG", subsampling="4:2:0", optimize=True, progressive=True)
    return Codec(ANCHOR, f"libjpeg-turbo {features.version('libjpeg_turbo')}", _JPEG_SETTINGS, (1, 98), prepare, _opened)


def _jpegli(threads: int) -> Codec:
    """The package offers quality and nothing else: 4:2:0, sequential, where libjpeg-turbo above is progressive."""
    import pyjpegli

    def prepare(pixels: Pixels) -> Callable[[int], bytes]:
        height, width = pixels.shape[:2]
        packed = pixels.tobytes()
        return lambda quality: bytes(pyjpegli.encode(packed, width, height, quality=quality))

    def decode(data: bytes) -> Pixels:
        packed, width, height = pyjpegli.decode(data)
        return np.frombuffer(packed, np.uint8).reshape(height, width, 3)

    return Codec("jpegli", f"pyjpegli {version('pyjpegli')}", _JPEG_SETTINGS, (1, 98), prepare, decode)


def _webp(threads: int) -> Codec:
    prepare = _saving({}, format="WEBP", method=6)
    return Codec("webp", f"libwebp {features.version_module('webp')}", (5, 20, 45, 70, 87, 96, 100), (0, 100), prepare, _opened)


def _avif(threads: int) -> Codec:
    from PIL import AvifImagePlugin

    AvifImagePlugin.DEFAULT_MAX_THREADS = threads
    named = f"libavif {features.version_module('avif')}, aom {AvifImagePlugin.get_codec_version('aom')}"
    prepare = _saving({"max_threads": threads}, format="AVIF", speed=6)
    return Codec("avif", f"{named}, speed 6", (10, 25, 40, 54, 68, 82, 95), (0, 100), prepare, _opened)


def _jxl(threads: int) -> Codec:
    from pillow_jxl import JpegXLImagePlugin  # registers itself with Pillow

    workers = threads if threads > 1 else 0  # 0: no threads beside the caller's
    JpegXLImagePlugin.DECODE_THREADS = workers
    prepare = _saving({"num_threads": workers}, format="JXL", effort=7)
    named = f"pillow-jxl-plugin {version('pillow-jxl-plugin')}, effort 7"
    return Codec("jxl", named, (5, 16, 38, 62, 80, 90, 96), (1, 99), prepare, _opened)


PEERS: dict[str, Callable[[int], Codec]] = {ANCHOR: _jpeg, "jpegli": _jpegli, "webp": _webp, "avif": _avif, "jxl": _jxl}


@functools.cache
def named(name: str, threads: int = 1, model: str | None = None) -> Codec:
    """A codec by its short name. Raises KeyError."""
    return ours(model, threads) if name == OURS else PEERS[name](threads)
