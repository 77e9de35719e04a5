"""Everything that the codec raises on purpose.

CodecError
├── NotAPicture       neither a JPEG nor a PNG
├── Unsupported       a picture that is left alone on purpose; `reason` is a slug such as 'cmyk'
├── Corrupt           damaged bytes: a picture file, an archive or a stream that contradicts itself
├── UnknownVersion    an archive or stream written by a later version
└── ModelMissing      the archive names a model that is not installed; `digest` says which
"""


class CodecError(Exception):
    """Base of all named errors of the codec."""


class NotAPicture(CodecError):
    """The bytes are not a picture of a kind that the codec reads."""


class Unsupported(CodecError):
    """A well-formed input that the codec leaves alone.

    `reason` is a slug from the documented list ('cmyk', '12-bit', 'animated', 'no-gain' ...), `detail` is for people.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


class Corrupt(CodecError):
    """The bytes are damaged: truncated, altered, or contradicting themselves."""


class UnknownVersion(CodecError):
    """The bytes were written by a later version of the format than this one reads."""


class ModelMissing(CodecError):
    """The bytes name a model by a digest (32 bytes) that is not installed."""

    def __init__(self, digest: bytes) -> None:
        super().__init__(digest)
        self.digest = digest

    def __str__(self) -> str:
        return f"no model with the digest {self.digest.hex()} is installed"
