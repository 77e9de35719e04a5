"""The seams: what the decisions need from the outside, as protocols, so that tests can give something else."""

from datetime import UTC, datetime
from typing import Protocol

from codec.rating import Rating
from daemon.messages import (
    Encoded,
    EncodeJob,
    Examined,
    ExamineJob,
    Format,
    LabelJob,
    Rated,
    RatingJob,
    Refused,
    Restored,
    RestoreJob,
    StandInJob,
    StoodIn,
)


class Clock(Protocol):
    """The time of day; the only source of it."""

    def now(self) -> datetime:
        """Aware, in UTC."""
        ...


class SystemClock:
    """The computer's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class Codec(Protocol):
    """The codec as the daemon sees it: behind processes. Every method may raise WorkerError."""

    def encode(self, job: EncodeJob) -> Encoded | Refused: ...

    def stand_in(self, job: StandInJob) -> StoodIn | Refused: ...

    def rating(self, job: RatingJob) -> Rated | Refused: ...

    def examine(self, job: ExamineJob) -> Examined | Refused: ...

    def restore(self, job: RestoreJob) -> Restored | Refused: ...

    def label(self, job: LabelJob) -> Restored | Refused: ...

    def cpu_s(self) -> float:
        """Seconds of processor time that its processes have used so far."""
        ...

    def interrupt(self) -> None:
        """Drop what is in hand: whoever waits for an answer, and asks from now on, gets Interrupted. From any thread."""
        ...

    def close(self) -> None: ...


class Backend(Protocol):
    """The codec as a worker process sees it: in its own memory. Every method may raise codec.errors.CodecError."""

    def megapixels(self, data: bytes) -> float:
        """About how many megapixels an original or an archive has; never raises."""
        ...

    def archive(self, job: EncodeJob, allowance_bytes: int | None) -> Encoded:
        """`allowance_bytes` are spent beside the archive (the stand-in) and count against `min_saving`; the answer has no stand-in.

        None: no stand-in can be made; then only what needs none will do.
        """
        ...

    def stand_in(self, job: StandInJob) -> bytes: ...

    def rating(self, original: bytes, sidecars: tuple[bytes, ...]) -> Rating:
        """Never raises: what can't be understood says nothing."""
        ...

    def examine(self, archive: bytes, original: bytes) -> Examined: ...

    def restore(self, archive: bytes, format: Format | None) -> bytes: ...

    def by_reference(self, archive: bytes) -> bytes:
        """The pixels of an archive of the neural lane as a PNG, by the decoder that the format is written down as."""
        ...


class Progress(Protocol):
    """Where a long command tells how far it is."""

    def start(self, total: int, what: str) -> None: ...

    def step(self, name: str) -> None:
        """A photo is begun."""
        ...

    def done(self, name: str, outcome: str) -> None:
        """A photo is finished; `outcome` is a short text."""
        ...

    def close(self) -> None: ...


class Silence:
    """Progress for whom nobody watches."""

    def start(self, total: int, what: str) -> None:
        pass

    def step(self, name: str) -> None:
        pass

    def done(self, name: str, outcome: str) -> None:
        pass

    def close(self) -> None:
        pass
