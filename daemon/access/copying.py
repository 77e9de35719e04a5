"""Copies for many readers at once: decoded by a few worker processes, each archive by one of them only, and kept in a cache on the disk.

Where that disk is full, the latest copies stay in memory, and the others are decoded again when somebody reads on.
"""

import errno
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from daemon.copies import rebuilt, without
from daemon.errors import WorkerError
from daemon.ports import Codec
from storage.cache import Cache
from storage.digest import read_once
from storage.errors import Changed, StorageError

_log = logging.getLogger(__name__)

IN_MEMORY_BYTES = 128 << 20
"""Of copies that the disk had no room for."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A copy: its archive, the digest of the archive that was proven, and what a person calls the photo."""

    archive: Path
    archive_sha256: str
    photo: str
    """For messages: archives are named after digests, which tell nobody which photo is meant."""
    stand_in: Path | None = None
    """The photo's stand-in, where somebody gave that other labels."""
    stand_in_sha256: str = ""

    @property
    def name(self) -> str:
        """In the cache."""
        return f"{self.archive_sha256}-{self.stand_in_sha256[:16]}" if self.stand_in else self.archive_sha256


class Copies:
    """`codec` makes one codec for each of `processes` threads, at its first photo."""

    def __init__(self, codec: Callable[[], Codec], processes: int, cache: Cache) -> None:
        self._make_codec = codec
        self._cache = cache
        self._threads = ThreadPoolExecutor(processes, "decoding")  # threads that stay: a worker dies with the thread that started it
        self._own = threading.local()
        self._codecs: list[Codec] = []
        self._guard = threading.Lock()
        self._running: dict[str, Future[int]] = {}
        self._spare: OrderedDict[str, bytes] = OrderedDict()
        self._told_full = False
        self._closing = False

    def close(self) -> None:
        """Waits for nobody: a reader who is still there gets an error."""
        self._closing = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for codec in self._codecs:
            codec.close()

    def size(self, wanted: Wanted) -> int:
        """Bytes of the copy; it is decoded where it is not at hand. Raises OSError (input/output) with the reason."""
        held = self._held_bytes(wanted)
        return self._waited_for(wanted) if held is None else held

    def _held_bytes(self, wanted: Wanted) -> int | None:
        found = self.at_hand(wanted)
        if found is None or isinstance(found, bytes):
            return None if found is None else len(found)
        try:
            return os.fstat(found).st_size
        finally:
            os.close(found)

    def descriptor(self, wanted: Wanted) -> int | None:
        """Of the copy, decoded where it is not at hand; None where only the memory has it. Raises OSError."""
        found = self._cache.open(wanted.name)
        if found is not None:
            return found
        self._waited_for(wanted)
        return self._cache.open(wanted.name)

    def from_memory(self, wanted: Wanted, size: int, offset: int) -> bytes:
        """A part of a copy that has no place on the disk. Raises OSError."""
        for _ in range(3):
            with self._guard:
                held = self._spare.get(wanted.name)
            if held is not None:
                return held[offset : offset + size]
            self._waited_for(wanted)
        raise OSError(errno.ENOSPC, f"neither the cache {self._cache.folder} nor the memory has room for the copy")

    def ahead(self, wanted: Wanted) -> None:
        """Decode it when nobody waits; never an error. Nothing where it is at hand, or others are being decoded."""
        descriptor = self._cache.open(wanted.name)
        if descriptor is not None:
            os.close(descriptor)
            return
        with self._guard:
            if self._running:
                return
        self.asked(wanted)

    def at_hand(self, wanted: Wanted) -> int | bytes | None:
        """A descriptor of the copy, or its bytes where only the memory has it; None where it would have to be decoded. Waits for nobody."""
        descriptor = self._cache.open(wanted.name)
        if descriptor is not None:
            return descriptor
        with self._guard:
            return self._spare.get(wanted.name)

    def asked(self, wanted: Wanted) -> "Future[int]":
        """The one decoding that all readers of a photo wait for; it ends with the size of the copy, or an OSError with the reason.

        Raises OSError where the view is being closed."""
        with self._guard:
            running = self._running.get(wanted.name)
            if running is None:
                try:
                    running = self._threads.submit(self._run, wanted)
                except RuntimeError as error:
                    raise OSError(errno.EIO, "the view is being closed") from error
                self._running[wanted.name] = running
            return running

    def _waited_for(self, wanted: Wanted) -> int:
        try:
            return self.asked(wanted).result()
        except CancelledError as error:
            raise OSError(errno.EIO, "the view is being closed") from error

    def _run(self, wanted: Wanted) -> int:
        try:
            held = self._held_bytes(wanted)  # decoded between the asker's look and its asking
            return self._decode(wanted) if held is None else held
        finally:
            with self._guard:
                self._running.pop(wanted.name, None)

    def _decode(self, wanted: Wanted) -> int:
        try:
            labels = b"" if wanted.stand_in is None else self._labels(wanted.stand_in, wanted.stand_in_sha256)
            made = rebuilt(self._codec(), wanted.archive, wanted.archive_sha256, stand_in=labels)
        except (StorageError, WorkerError) as error:
            if not self._closing:  # a decoder that is stopped with the view is no trouble
                _log.warning("%s: %s", wanted.photo, error)
            raise OSError(errno.EIO, str(error)) from error
        data = made.data
        if made.left_out:
            _log.warning("%s: %s", wanted.photo, without(made.left_out))
        try:
            if self._cache.put(wanted.name, data):
                self._told_full = False
                return len(data)
            why = "it is larger than the cache may be"
        except StorageError as error:
            why = str(error)
        if not self._told_full:
            _log.warning("a copy can't be kept on the disk: %s; copies stay in memory for a while, and are decoded more often", why)
            self._told_full = True
        self._keep_in_memory(wanted.name, data)
        return len(data)

    @staticmethod
    def _labels(stand_in: Path, sha256: str) -> bytes:
        """The stand-in that the copy is named after in the cache: another one's labels must not be found there."""
        snapshot = read_once(stand_in)
        if snapshot.sha256 != sha256:
            raise Changed("its stand-in was given other labels in that very moment; whoever opens it again gets them")
        return snapshot.data

    def _keep_in_memory(self, name: str, data: bytes) -> None:
        with self._guard:
            self._spare[name] = data
            while len(self._spare) > 1 and sum(map(len, self._spare.values())) > IN_MEMORY_BYTES:
                self._spare.popitem(last=False)

    def _codec(self) -> Codec:
        codec: Codec | None = getattr(self._own, "codec", None)
        if codec is None:
            codec = self._own.codec = self._make_codec()
            with self._guard:
                self._codecs.append(codec)
        return codec
