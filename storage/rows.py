"""Between the catalogue's columns and its frozen rows."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from storage.fingerprint import Fingerprint
from storage.proof import Proof
from storage.records import PhotoRow
from storage.states import State

_FINGERPRINT = ("device", "inode", "mtime_ns", "ctime_ns", "links", "mode")
_FLAT = tuple(field.name for field in fields(PhotoRow) if field.name not in ("fingerprint", "stand_in_fingerprint"))

COLUMNS = (*_FLAT, "seen_bytes", *_FINGERPRINT, *(f"stand_in_{name}" for name in _FINGERPRINT))
"""Columns of table `photos` in the order that `from_row` takes."""

_WORD = 2**64


def signed(number: int) -> int:
    """Inodes and devices are unsigned words (some network file systems use the top bit), SQLite's integers are signed."""
    return number - _WORD if number >= _WORD // 2 else number


def unsigned(number: int) -> int:
    """The other way."""
    return number % _WORD


def to_columns(fingerprint: Fingerprint | None, prefix: str = "") -> dict[str, Any]:
    """Columns of a fingerprint; `prefix` is '' (the photo) or 'stand_in_'. None clears them."""
    size = "stand_in_bytes" if prefix else "seen_bytes"
    if fingerprint is None:
        return dict.fromkeys((size, *(prefix + name for name in _FINGERPRINT)))
    values = {prefix + name: getattr(fingerprint, name) for name in _FINGERPRINT}
    for name in ("device", "inode"):
        values[prefix + name] = signed(values[prefix + name])
    return {size: fingerprint.size_bytes, **values}


def proof_columns(proof: Proof | None) -> dict[str, Any]:
    """What a proof says, but for the digests and the size of the archive."""
    if proof is None:
        return {}
    return {
        "quality": proof.level,
        "model": proof.model or None,
        "score_whole": proof.whole,
        "score_worst_tile": proof.worst_tile,
        "score_copy": proof.copy_whole,
        "whole_at_least": proof.whole_at_least,
        "worst_tile_at_least": proof.worst_tile_at_least,
        "checked_at": proof.checked_at,
        "verifier_pid": proof.verifier_pid,
        "asker_pid": proof.asker_pid,
        "checks": dump_checks(proof.checks),
    }


def dump_checks(checks: Mapping[str, float]) -> str | None:
    """What the guard measured; numbers that JSON has no word for (equal pictures have endless decibels) are left out."""
    finite = {name: round(value, 4) for name, value in checks.items() if math.isfinite(value)}
    return json.dumps(finite, sort_keys=True) if checks else None


def from_row(values: Sequence[Any]) -> PhotoRow:
    """`values` in the order of COLUMNS."""
    row = dict(zip(COLUMNS, values, strict=True))
    flat = {name: row[name] for name in _FLAT}
    flat["state"] = State(flat["state"])
    flat["checks"] = None if flat["checks"] is None else json.loads(flat["checks"])
    return PhotoRow(
        **flat,
        fingerprint=_fingerprint(row, "", row["seen_bytes"]),
        stand_in_fingerprint=None if row["stand_in_inode"] is None else _fingerprint(row, "stand_in_", row["stand_in_bytes"]),
    )


def _fingerprint(row: Mapping[str, Any], prefix: str, size_bytes: int) -> Fingerprint:
    return Fingerprint(
        device=unsigned(row[prefix + "device"]),
        inode=unsigned(row[prefix + "inode"]),
        size_bytes=size_bytes,
        mtime_ns=row[prefix + "mtime_ns"],
        ctime_ns=row[prefix + "ctime_ns"],
        links=row[prefix + "links"],
        mode=row[prefix + "mode"],
    )


NO_ARCHIVE: Mapping[str, None] = dict.fromkeys(
    (
        *("archive_name", "archive_sha256", "archive_bytes", "lane", "choice", "choice_why", "quality", "importance", "model"),
        *("encoded_at", "copy_sha256", "copy_bytes", "relabelled_at", "kept_since_at", "asked_at"),
        *("score_whole", "score_worst_tile", "score_copy", "checks", "whole_at_least", "worst_tile_at_least"),
        *("checked_at", "verifier_pid", "asker_pid", "retired_at", "purge_after_at", "purged_at", "restored_at", "pinned_until_at"),
        *("missed_at", "binned_as", "stand_in_sha256", *to_columns(None, "stand_in_")),
    )
)
"""What a row says of its archive and of what became of that, cleared."""

OF_AN_ARCHIVE = (
    *("sha256", "size_bytes", "archive_name", "archive_sha256", "archive_bytes", "lane", "choice", "choice_why", "quality", "importance"),
    *("model", "encoded_at", "score_whole", "score_worst_tile", "score_copy", "checks", "whole_at_least", "worst_tile_at_least"),
    *("checked_at", "verifier_pid", "asker_pid", "copy_bytes"),
)
"""Columns that all photos of the same bytes have in common."""
