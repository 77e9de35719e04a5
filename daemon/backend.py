"""The codec as a worker process uses it; imported only there, since it brings numpy, and torch with the first photo of the neural lane."""

import io
import os
import warnings
from typing import TYPE_CHECKING

from codec.bitstream import peek
from codec.facts import Facts
from codec.lanes import Wanted, choose, examine, reason_of, restore
from codec.leads import PNG_SIGNATURE
from codec.levels import level_of
from codec.rating import Rating, read_rating
from daemon import standin
from daemon.messages import Encoded, EncodeJob, Examined, Format, StandInJob
from daemon.ports import Backend

if TYPE_CHECKING:
    from codec.model import Model


class CodecBackend:
    """Adapts `codec.lanes`. The model is loaded with the first photo that needs it, and stays."""

    def __init__(self) -> None:
        self._loaded: Model | None = None

    def _model(self) -> "Model":
        if self._loaded is None:
            from codec.model import load_model

            self._loaded = load_model()
        return self._loaded

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

    def archive(self, job: EncodeJob, allowance_bytes: int | None) -> Encoded:
        facts = Facts(len(job.original), job.sha256, job.name, job.mtime_ns, job.mode, job.worn)
        wanted = Wanted(level_of(job.level), job.min_saving, job.min_saving_lossless, allowance_bytes, job.repack, job.rate)
        made = choose(job.original, facts, self._model, wanted)
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
            choice=made.choice,
            why=made.why,
            repacked=made.repacked,
        )

    def stand_in(self, job: StandInJob) -> bytes:
        return standin.make(job)

    def rating(self, original: bytes, sidecars: tuple[bytes, ...]) -> Rating:
        return read_rating(original, sidecars)

    def examine(self, archive: bytes, original: bytes) -> Examined:
        repacked = archive[: len(PNG_SIGNATURE)] == PNG_SIGNATURE
        header = None if repacked else peek(archive)
        choice, why = reason_of(archive)
        found = examine(archive, original, self._model)
        return Examined(
            whole=found.whole,
            worst_tile=found.worst_tile,
            copy_whole=found.copy_whole,
            metadata_equal=found.metadata_equal,
            original_sha256=found.original_sha256,
            archive_sha256=found.archive_sha256,
            lane="pixel-exact" if header is None else header.lane,
            model=self._model_of(None if header is None else header.model_digest),
            pid=os.getpid(),
            choice=choice,
            why=why,
            measured=found.measured,
            copy_sha256=found.copy_sha256,
            copy_bytes=found.copy_bytes,
        )

    def _model_of(self, digest: bytes | None) -> str:
        if digest is None:
            return ""
        from codec.model import load_model

        return self._model().name if digest == self._model().digest else load_model(digest).name

    def restore(self, archive: bytes, format: Format | None) -> bytes:
        return restore(archive, self._model, format)

    def by_reference(self, archive: bytes) -> bytes:
        from codec import reference

        peek(archive)  # tells a damaged version from a later one, which the other decoder does not
        return reference.png(reference.decode(reference.pixel_stream(archive)))


def load() -> Backend:
    """What a worker process calls once."""
    return CodecBackend()
