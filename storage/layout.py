"""Names inside a vault, and which paths of a gallery it may serve."""

import hashlib
import os
import re
from pathlib import Path

from storage.digest import is_digest
from storage.errors import Refused, shown

VAULT_NAME = ".gallery-optimizer"
FOLDERS = ("archives", "originals", "models", "staging")
FORMAT_NAME = "bitstream.md"
RESERVE_NAME = "reserve"
ARCHIVE_SUFFIX = ".nphoto"
ORIGINAL_SUFFIX = ".original"
SWAP_SUFFIX = ".swap"
PARITY_SUFFIX = ".parity"

VAULT_ID = re.compile(r"[0-9a-f]{16}")

_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

README = """\
This folder belongs to gallery-optimizer. Please do not move or delete it: it holds your photos.

The photos around it that look ordinary but small are stand-ins: previews under the photos' own names. The photos themselves are here:

  archives/   one .nphoto file for each photo, named by the SHA-256 of the original. A copy of the photo, in full size and with all
              its metadata, can be rebuilt from this one file.
  originals/  originals that were taken out of their place and wait until their grace is over. Each is the untouched file that the
              camera wrote; only its name is different. Rename it to get it back.
  parity/     where you asked for it: a little beside each archive, out of which damaged parts of it can be computed anew.
  models/     the weight files that the archives need; keep them with the archives.
  bitstream.md   how the archives are written, byte by byte: enough to write another decoder.
  reserve     takes space and nothing else; it is given up when the disk is full, so that photos can still be given back.
  id          tells this vault from others.
  staging/    temp files of work in progress.

To get a photo back:          gallery-optimizer restore PHOTO --to FOLDER
To get a whole folder back:   gallery-optimizer restore FOLDER --to ANOTHER
To decode one archive alone:  gallery-optimizer decode archives/ab/ab....nphoto -o photo.jpg
To be rid of this folder:     gallery-optimizer eject, which puts every photo back; then delete it
Any later version decodes every archive, also on another machine, and needs no catalogue for it.
"""


def checked_digest(sha256: str) -> str:
    """The digest, since it becomes a part of a path. Raises Refused if it is not 64 hex digits."""
    if not is_digest(sha256):
        raise Refused(f"{sha256!r} is not a SHA-256 digest")
    return sha256


def checked_model_name(name: str) -> str:
    """A model's file name. Raises Refused for one that could leave the folder."""
    if not _MODEL_NAME.fullmatch(name):
        raise Refused(f"{name!r} is not the name of a model")
    return name


def relative_to_gallery(root: Path, path: Path) -> bytes:
    """A photo's path relative to its gallery, as the catalogue stores it.

    Raises Refused outside the gallery, inside a vault, and where a folder on the way is a symbolic link.
    """
    try:
        relative = path.relative_to(root)
    except ValueError:
        raise Refused(f"{shown(path)} is not in the gallery {shown(root)}") from None
    if not relative.parts or ".." in relative.parts:
        raise Refused(f"{shown(path)} does not name a photo in the gallery {shown(root)}")
    if VAULT_NAME in relative.parts:
        raise Refused(f"{shown(path)} is in a vault")
    if os.path.realpath(path.parent) != os.path.join(os.path.realpath(root), *relative.parts[:-1]):
        raise Refused(f"{shown(path)} leads through a symbolic link")
    return os.fsencode(relative)


def archive_name(sha256: str) -> str:
    """Relative to the vault."""
    return f"archives/{checked_digest(sha256)[:2]}/{sha256}{ARCHIVE_SUFFIX}"


def parity_name(sha256: str) -> str:
    """Relative to the vault: where the parity of an archive is, if there is any."""
    return f"parity/{checked_digest(sha256)[:2]}/{sha256}{PARITY_SUFFIX}"


def aside_name(relative: bytes, sha256: str) -> str:
    """Relative to the vault: where a path's set-aside original waits."""
    return f"originals/{checked_digest(sha256)}-{mark(relative)}{ORIGINAL_SUFFIX}"


def swap_name(relative: bytes) -> str:
    """Relative to the vault: where a rebuilt copy and the stand-in change places."""
    return f"originals/{mark(relative)}{SWAP_SUFFIX}"


def mark(relative: bytes) -> str:
    """16 hex digits that tell one path of a gallery from the others."""
    return hashlib.sha256(relative).hexdigest()[:16]
