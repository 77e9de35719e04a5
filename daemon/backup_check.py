"""Whether an original may go: only what it takes to answer that, beside its grace and its proof.

`backup_check` is the user's own command. It is called without a shell, once for each archive, with the archive's SHA-256 as its last
argument and more in its environment; exit code 0 says that the archive is in a backup, anything else that it is not (yet).
"""

import logging
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

from daemon.galleries import Gallery
from daemon.sync_guard import Guard
from storage.errors import shown
from storage.records import PhotoRow

TIME_OUT_S = 60.0
MOST_TROUBLES = 3
"""After so many answers that never came, one after the other, it is not asked again in this run."""

_log = logging.getLogger(__name__)


class PurgeGate:
    """Of one gallery, for one run: what was asked once is not asked again."""

    def __init__(self, gallery: Gallery, guard: Guard, time_out_s: float = TIME_OUT_S) -> None:
        self._gallery = gallery
        self._guard = guard
        self._time_out_s = time_out_s
        self._answers: dict[str, str] = {}
        self._troubles = 0

    def closed(self, row: PhotoRow) -> str:
        """Why the set-aside original of a RETIRED photo has to wait; empty where it may go.

        A PNG that was packed anew is itself in its place, whole: nothing waits for a backup of it.
        """
        if row.replaced:
            return ""
        settings = self._gallery.settings
        if settings.backup_check:
            digest = row.archive_sha256 or ""
            if digest not in self._answers:
                self._answers[digest] = self._ask(settings.backup_check, row)
            return self._answers[digest]
        carrier = self._guard.carrier(row.location)
        if settings.one_copy or (carrier is None and not self._guard.by_word):
            return ""
        who = carrier.tool if carrier is not None else "by two_way_sync, a sync tool"
        return f"{who} carries its stand-in to other devices, so its archive would be the only full copy (backup_check, one_copy)"

    def condition(self, row: PhotoRow) -> str:
        """What has to be true beside the grace, in words, without asking; empty where nothing has."""
        if self._gallery.settings.backup_check and not row.replaced:
            return "backup_check has to say that its archive is in a backup"
        return self.closed(row)

    def _ask(self, command: Sequence[str], row: PhotoRow) -> str:
        if self._troubles >= MOST_TROUBLES:
            return "backup_check gives no answer"
        archive = self._gallery.vault.archive_path(row.sha256 or "")
        environment = {
            "GALLERY_OPTIMIZER_ARCHIVE": str(archive),
            "GALLERY_OPTIMIZER_ARCHIVE_SHA256": row.archive_sha256 or "",
            "GALLERY_OPTIMIZER_ARCHIVE_BYTES": str(row.archive_bytes or 0),
            "GALLERY_OPTIMIZER_ORIGINAL_SHA256": row.sha256 or "",
            "GALLERY_OPTIMIZER_GALLERY": str(self._gallery.root),
        }
        try:
            code, said = run(command, row.archive_sha256 or "", environment, self._time_out_s)
        except OSError as error:
            self._troubles += 1
            return f"backup_check can't be started: {shown(command[0])}: {error.strerror}"
        except subprocess.TimeoutExpired:
            self._troubles += 1
            return f"backup_check gave no answer within {self._time_out_s:.0f} seconds"
        self._troubles = 0
        if code:
            _log.info("%s: backup_check ended with %d%s", self._gallery.shown(row.location), code, f": {said}" if said else "")
        return "backup_check says that its archive is not in a backup yet" if code else ""


def run(command: Sequence[str], digest: str, environment: Mapping[str, str], time_out_s: float) -> tuple[int, str]:
    """(exit code, last line on stderr) of one call. Raises OSError, and TimeoutExpired after the whole process group was killed."""
    with subprocess.Popen(
        [*command, digest],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd="/",
        env={**os.environ, **environment},
        start_new_session=True,
    ) as process:
        try:
            _, complaint = process.communicate(timeout=time_out_s)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, complaint.decode(errors="backslashreplace").strip().rpartition("\n")[2][:200]
