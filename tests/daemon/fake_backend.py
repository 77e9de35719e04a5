"""A codec for the tests of the daemon: the archive is a small JPEG behind a JSON header. Quick, lossy, and misbehaving on demand.

A photo asks for misbehaviour in its JPEG comment: b"fake:crash", b"fake:hang", b"fake:hungry",
b"fake:hungry-when-used" (but not as a process's first job), b"fake:raise", b"fake:refuse:cmyk",
b"fake:forged" (the examination measures too little), b"fake:seams" (the guard finds seams),
b"fake:foreign" (the archive is of another original).
"""

import hashlib
import io
import json
import os
import re
import signal
import time
from dataclasses import replace
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

from PIL import Image

from codec.checks import CHECKS, Measured
from codec.errors import Corrupt, NotAPicture, UnknownVersion, Unsupported
from codec.rating import Rating, read_rating
from daemon.messages import Encoded, EncodeJob, Examined, StandInJob

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAGIC = b"FAKE"


def pack(facts: dict[str, object], body: bytes) -> bytes:
    header = json.dumps(facts).encode()
    return MAGIC + len(header).to_bytes(4, "big") + header + hashlib.sha256(header + body).digest() + body


def unpack(archive: bytes) -> tuple[dict[str, object], bytes]:
    if archive[:4] == b"LATE":
        raise UnknownVersion("the archive is of version 2 of the format, and this program reads 1")
    if archive[:4] != MAGIC:
        raise Corrupt("not a fake archive")
    length = int.from_bytes(archive[4:8], "big")
    header, digest, body = archive[8 : 8 + length], archive[8 + length : 40 + length], archive[40 + length :]
    if hashlib.sha256(header + body).digest() != digest:
        raise Corrupt("the digest does not fit")
    return json.loads(header), body


@cache
def standin() -> ModuleType:
    """`daemon.standin`, which from now on makes each small picture once in this process: it makes up to eight for a photo, half of the
    time that a photo takes in these tests, and they archive the same few again and again. Imported late: it brings numba."""
    from daemon import standin as found

    small_jpeg, shrink = vars(found)["small_jpeg"], found._shrunk
    jpegs: dict[tuple[object, ...], bytes] = {}
    pictures: dict[tuple[object, ...], Image.Image] = {}

    def kept_jpeg(pixels: "NDArray[np.uint8]", quality: int) -> bytes:
        key = (quality, pixels.shape, hashlib.sha256(pixels.tobytes()).digest())
        if key not in jpegs:
            jpegs[key] = small_jpeg(pixels, quality)
        return jpegs[key]

    def kept_picture(image: Image.Image, side: int) -> Image.Image:
        key = (side, image.mode, image.size, hashlib.sha256(image.tobytes()).digest())
        if key not in pictures:
            pictures[key] = shrink(image, side)
        return pictures[key]

    vars(found).update(small_jpeg=kept_jpeg, _shrunk=kept_picture)
    return found


class FakeBackend:
    def megapixels(self, data: bytes) -> float:
        return 0.0

    def archive(self, job: EncodeJob, allowance_bytes: int | None) -> Encoded:
        self.archived += 1
        allowance_bytes = allowance_bytes or 0
        wish = re.search(rb"fake:([a-z0-9:-]+)", job.original)
        match wish[1].decode().split(":") if wish else []:
            case ["crash"]:
                os.kill(os.getpid(), signal.SIGSEGV)
            case ["hang"]:
                time.sleep(3600)
            case ["hungry"]:
                bytearray(1 << 40)
            case ["hungry-when-used"] if self.archived > 1:
                bytearray(1 << 40)
            case ["raise"]:
                raise ZeroDivisionError("nobody thought of this")
            case ["refuse", reason]:
                raise Unsupported(reason, "as the test wanted")
        try:
            image = Image.open(io.BytesIO(job.original))
            image.load()
        except OSError as error:
            raise (Corrupt if job.original[:2] == b"\xff\xd8" else NotAPicture)(str(error)) from error
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "JPEG", quality=25)
        facts: dict[str, object] = {"sha256": job.sha256, "format": image.format, "wish": wish[1].decode() if wish else ""}
        archive = pack(facts, buffer.getvalue())
        if len(archive) + allowance_bytes > (1 - job.min_saving) * len(job.original):
            raise Unsupported("no-gain", f"{len(archive)} + {allowance_bytes} of {len(job.original)} bytes")
        return Encoded(
            archive=archive,
            stand_in=b"",
            lane="neural",
            whole=85.0,
            worst_tile=75.0,
            quality_index=7,
            rate=0.5 if job.rate is None else job.rate,
            width=image.width,
            height=image.height,
            model="fake",
        )

    def __init__(self) -> None:
        self._stand_ins: dict[tuple[str, str], bytes] = {}
        self.archived = 0

    def stand_in(self, job: StandInJob) -> bytes:
        if job.relabelled:
            return self._made(replace(job, share=1.0))
        key = (job.sha256, job.vault)  # a copy of ours, which is small, gets the one that was made of its original
        if key not in self._stand_ins:
            self._stand_ins[key] = self._made(job)
        return self._stand_ins[key]

    def _made(self, job: StandInJob) -> bytes:
        made: bytes = standin().make(job)
        return made

    def rating(self, original: bytes, sidecars: tuple[bytes, ...]) -> Rating:
        return read_rating(original, sidecars)

    def examine(self, archive: bytes, original: bytes) -> Examined:
        facts, body = unpack(archive)
        sha256 = hashlib.sha256(original).hexdigest()
        if facts["sha256"] != sha256 or facts["wish"] == "foreign":
            raise Corrupt("the archive is of another original")
        score = 12.0 if facts["wish"] == "forged" else 85.0
        found = {name: 60.0 if check.floor else 0.0 for name, check in CHECKS.items()}
        found["patches"] = 5.0 if facts["wish"] == "seams" else 0.5
        checks = tuple(Measured(name, value, (16, 32)) for name, value in found.items())
        copy_sha256 = hashlib.sha256(body).hexdigest() if facts["format"] == "JPEG" else ""
        measured = (score, 75.0, 84.0, True, sha256, hashlib.sha256(archive).hexdigest(), "neural", "fake", os.getpid())
        return Examined(*measured, measured=checks, copy_sha256=copy_sha256, copy_bytes=len(self.restore(archive, None)))

    def restore(self, archive: bytes, format: str | None) -> bytes:
        facts, body = unpack(archive)
        wanted = (format or str(facts["format"])).upper()
        if wanted == "JPEG":
            return body
        buffer = io.BytesIO()
        Image.open(io.BytesIO(body)).save(buffer, wanted)
        return buffer.getvalue()


def load() -> FakeBackend:
    return FakeBackend()
