"""What the examination of an archive against its original found; light, so that a lossless lane needs no network for it."""

from dataclasses import dataclass

from codec.checks import Measured


@dataclass(frozen=True, slots=True)
class Examination:
    """What another process found out about an archive that it was given together with the original."""

    whole: float
    worst_tile: float
    copy_whole: float
    """Score of the restored JPEG or PNG, not only of the decoded pixels."""
    metadata_equal: bool
    """Whether the restored copy holds every kept segment or chunk and every trailing byte of the original, in order."""
    original_sha256: str
    archive_sha256: str
    measured: tuple[Measured, ...] = ()
    """The checks of the guard beside the score, on the decoded pixels; none for a lossless lane."""
    copy_sha256: str = ""
    """Of the copy that a restore gives, as long as the encoder writes the same bytes."""
    copy_bytes: int = 0
    """Of that copy; 0: nobody looked."""
