"""The codec as a worker process uses it; imported only there, since it brings torch."""

import io
import os
import warnings

from codec.bitstream import peek
from codec.facts import Facts
from codec.levels import LEVELS
from codec.model import load_model
from codec.photo import Format, archive_photo, examine, restore_photo
from codec.rating import Rating, read_rating
from daemon import standin
from daemon.messages import Encoded, EncodeJob, Examined
from daemon.ports import Backend


class CodecBackend:
    """Adapts `codec.photo`. The model is loaded with the first job and stays."""

    def __init__(self) -> None:
        self._model = load_model()

    def megapixels(self, data: bytes) -> float:
        """From the picture's header; an archive, which Pillow can't open, has at most a pixel for each hundredth of a byte."""
        from PIL import Image

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of a bomb: only the header is read
                width, height = Image.open(io.BytesIO(data)).size
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return len(data) * 100 / 1e6
        return float(width) * height / 1e6

    def archive(self, job: EncodeJob, allowance_bytes: int) -> Encoded:
        facts = Facts(len(job.original), job.sha256, job.name, job.mtime_ns, job.mode, job.worn)
        level = LEVELS[job.level]
        made = archive_photo(
            job.original, facts, self._model, level, min_saving=job.min_saving, allowance_bytes=allowance_bytes, rate=job.rate
        )
        return Encoded(
            archive=made.archive,
            stand_in=b"",
            lane=made.lane,
            whole=made.whole,
            worst_tile=made.worst_tile,
            quality_index=made.quality_index,
            rate=made.rate,
            width=made.width,
            height=made.height,
            model=made.model_name,
        )

    def stand_in(self, original: bytes, sha256: str) -> bytes:
        return standin.make(original, sha256)

    def rating(self, original: bytes, sidecars: tuple[bytes, ...]) -> Rating:
        return read_rating(original, sidecars)

    def examine(self, archive: bytes, original: bytes) -> Examined:
        header = peek(archive)
        found = examine(archive, original, self._model)
        return Examined(
            whole=found.whole,
            worst_tile=found.worst_tile,
            copy_whole=found.copy_whole,
            metadata_equal=found.metadata_equal,
            original_sha256=found.original_sha256,
            archive_sha256=found.archive_sha256,
            lane=header.lane,
            model=self._model_of(header.model_digest),
            pid=os.getpid(),
        )

    def _model_of(self, digest: bytes | None) -> str:
        if digest is None:
            return ""
        return self._model.name if digest == self._model.digest else load_model(digest).name

    def restore(self, archive: bytes, format: Format | None) -> bytes:
        return restore_photo(archive, self._model, format)


def load() -> Backend:
    """What a worker process calls once."""
    return CodecBackend()
