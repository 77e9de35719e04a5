"""Why a photo is left alone: each reason's slug and what it says to a person. docs/operations.md repeats the table; the tests compare them.

The slugs come from three places: from the codec (`Unsupported.reason`), from looking at the file, and from what happened at work.
"""

from types import MappingProxyType

REASONS: MappingProxyType[str, str] = MappingProxyType(
    {
        # from looking at the file
        "hard-linked": "the file has more than one name (hard links), and changing one would change the others",
        "not-a-file": "it is not an ordinary file",
        "other-device": "it lies on another disk than its gallery; make that folder a gallery of its own",
        "stand-in": "it is a stand-in of this program, or was made from one; archiving it would only make it worse",
        "gone": "the file is no longer there",
        "in-sync": "a sync tool is still writing it",
        "not-a-picture": "the file is neither a JPEG nor a PNG, whatever its name says",
        "empty": "the file is empty",
        "corrupt": "the picture is damaged",
        "changed": "the file changed while it was being worked on; it is looked at again next time",
        # from the codec
        "no-gain": "the archive and the stand-in together would not save enough",
        "quality-not-reached": "the quality you asked for can't be reached at any size",
        # from the work
        "proof-failed": "the archive, read back from the disk, did not pass the check against the original",
        "timed-out": "encoding took far too long and was stopped",
        "worker-died": "the encoding process ended unexpectedly; most often the photo needs more memory than `memory` allows",
        "unforeseen": "an error that nobody foresaw; the log (--verbose) has the details",
        "model-missing": "the archive needs a model that is not installed",
        "unknown-version": "the archive was written by a later version",
        "out-of-memory": "the photo needs more memory than `memory` allows",
        "source-resends": "whoever sends this photo keeps sending the original again",
    }
)


def sentence(reason: str) -> str:
    """The reason in words; a slug this version doesn't know is shown as it is (a catalogue may be older or newer)."""
    return REASONS.get(reason, reason)
