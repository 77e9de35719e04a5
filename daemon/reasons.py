"""Why a photo is left alone: each reason's slug and what it says to a person. docs/reference.md repeats the table; the tests compare them.

The slugs come from three places: from the codec (`Unsupported.reason`), from looking at the file, and from what happened at work.
"""

import re
from types import MappingProxyType

REASONS: MappingProxyType[str, str] = MappingProxyType(
    {
        # from looking at the name
        "other-name": "not looked at: its name ends in neither .jpg, .jpeg, .jpe, .jfif, .mpo nor .png",
        "hidden": "not looked at: it is hidden, or lies in a hidden folder",
        "excluded": "not looked at: excluded by the configuration",
        "unfinished": "not looked at: by its name it has not arrived yet",
        "in-the-bin": "not looked at: it lies in a bin, whose owner will empty it",
        # from what the user wants
        "kept": "your configuration keeps it as it is (`keep`)",
        "ignored": "a file .gallery-optimizer-ignore in its folder, or above, says so",
        # from looking at the file
        "hard-linked": "the file has more than one name (hard links), and changing one would change the others",
        "strange-date": "its date is before 1677 or after 2262, and could not be kept; give it the right one",
        "not-a-file": "it is not an ordinary file but, for example, a symbolic link, which is never followed",
        "has-companions": "a raw file, video or sidecar belongs to it, and without a stand-in (`stand_in`) they would be parted",
        "other-device": "it lies on another disk or subvolume than its gallery; mount that outside, and make it a gallery of its own there",
        "other-owner": "it belongs to another user, to whom its stand-in and a restored copy could not be given",
        "stand-in": "it is a stand-in of this program, or was made from one; archiving it would only make it worse",
        "stand-in-elsewhere": "it is the stand-in of a photo in another vault, most likely another computer's, which gives it back",
        "gone": "the file is no longer there",
        "in-sync": "a sync tool is still writing it",
        "not-a-picture": "the file is neither a JPEG nor a PNG, whatever its name says",
        "empty": "the file is empty",
        "corrupt": "the picture is damaged",
        "changed": "the file changed while it was being worked on; it is looked at again next time",
        "restored-copy": "it is a copy restored from the photo's archive, which still exists; archiving the copy again would make it worse",
        # from the codec
        "cmyk": "the picture is in print colours (CMYK)",
        "rgb-jpeg": "the JPEG holds red, green and blue directly, which no phone writes",
        "components": "the picture has an unusual number of colour components",
        "sampling": "the JPEG uses a colour sampling that can't be written again",
        "12-bit": "the JPEG has more than 8 bits a sample",
        "16-bit": "the PNG has 16 bits a sample, which no archive here holds",
        "low-bit-depth": "the PNG has fewer than 8 bits a sample, which the neural lane would not keep",
        "palette": "the PNG has a palette, which the neural lane would not keep",
        "alpha": "the PNG is partly transparent, which the neural lane would not keep",
        "arithmetic": "the JPEG is coded arithmetically, which most programs can't read",
        "lossless-jpeg": "the JPEG is lossless",
        "hierarchical": "the JPEG is hierarchical, which most programs can't read",
        "dnl": "the JPEG tells its height only after the picture",
        "animated": "the picture moves (APNG)",
        "hdr-png": "the picture's colours are HDR (PQ or HLG), which the guard can't judge",
        "critical-chunk": "the PNG has a part that this version does not understand",
        "cgbi": "it is Apple's own variant of PNG",
        "idot": "the PNG has Apple's index into its data, which a copy could not keep",
        "signed": "the picture is signed (C2PA): only its very bytes keep the signature, and they don't save enough",
        "multi-picture": "there are further pictures in the file that would no longer be found in a copy",
        "unsupported-format": "the file is of another format (HEIC, AVIF, WebP ...), whatever its name says",
        "graphic": "it is a screenshot or a drawing rather than a photograph; the neural lane would blur its text",
        "too-small": "the picture is so small that there is nothing to save",
        "too-large": "the picture is larger than this version can work on",
        "stand-in-too-large": "the photo is so small that even the smallest stand-in would take too much of what is saved",
        "exact-failed": "the lossless packer does not give this file back bit for bit",
        "exact-png": "the gallery's quality is exact, and a PNG's bytes can't be kept in less space",
        "repack-failed": "packing the PNG anew would change it",
        "no-gain": "the archive and the stand-in together would not save enough",
        "quality-not-reached": "the quality you asked for can't be reached at any size",
        "distortion": "the copy would reach the scores and still show a distortion, which no better quality cures",
        "copy-quality": "a restored JPEG would look worse than the quality you asked for allows",
        # from the work
        "archive-in-use": "another photo with the same bytes has an archive of another quality",
        "not-safe": "it could not be taken out of its place safely",
        "proof-failed": "the archive, read back from the disk, did not pass the check against the original",
        "no-space": "the disk is full",
        "not-permitted": "this user may not read or change the file",
        "disk-error": "reading or writing failed",
        "timed-out": "encoding took far too long and was stopped",
        "worker-died": "the encoding process ended unexpectedly; most often the photo needs more memory than `memory` allows",
        "ends-the-program": "whenever it was worked on, the whole program ended in the midst of it",
        "unforeseen": "an error that nobody foresaw; the log (--verbose) has the details",
        "model-missing": "the archive needs a model that is not installed",
        "unknown-version": "the archive was written by a later version",
        "out-of-memory": "the photo needs more memory than `memory` allows",
        "source-resends": "whoever sends this photo keeps sending the original again",
    }
)

UNREADABLE_HERE = frozenset({"unknown-version", "model-missing"})
"""Reasons of archives that another version of this program reads, and that nothing is wrong with."""

STAND_INS = frozenset({"stand-in", "stand-in-elsewhere"})
"""Reasons of files that are no photos, but stand for some."""

CHOICES: MappingProxyType[str, str] = MappingProxyType(
    {
        "smallest": "the lane gives the fewest bytes of those that reach the quality",
        "quality-exact": "the gallery's quality is exact",
        "rate": "a rate was asked for",
    }
)
"""Why an archived photo has the lane that it has; else it is the reason of REASONS for which the neural lane was not taken."""


def sentence(reason: str) -> str:
    """The reason in words; a slug this version doesn't know is shown as it is (a catalogue may be older or newer)."""
    return REASONS.get(reason, reason)


def in_full(reason: str, detail: str) -> str:
    """The sentence, and behind it the detail, unless that says the same once more."""
    said, more = sentence(reason), in_words(detail)
    return said if not more or more.lower() in said.lower() else f"{said} ({more})"


_BARE_SLUG = re.compile(r"(?:(?<=lane: )|(?<=\())[a-z0-9]+(?:-[a-z0-9]+)*(?=[);]|$)")
"""A reason without a word of its own beside it, as the codec's details have it: '(alpha)', 'neural lane: stand-in-too-large'."""


def in_words(detail: str) -> str:
    """A detail whose bare slugs are sentences."""
    return _BARE_SLUG.sub(lambda found: sentence(found[0]), detail)
