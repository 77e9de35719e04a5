"""What the kernel's pre-content events (fanotify, FAN_PRE_ACCESS, Linux 6.14) can do for a file that is filled when it is first read.

    python -m tests.bench.pre_content FOLDER        as root; FOLDER on the file system to be tried

A sparse placeholder is watched by a helper that refuses every read. Each line says how one reader fares: an error is right, zeros are not.
docs/trials.md ("Why no photo is filled in in place") draws the conclusion.
"""

import ctypes
import errno
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FAN_CLASS_PRE_CONTENT, FAN_CLOEXEC, FAN_MARK_ADD, AT_FDCWD = 0x8, 0x1, 0x1, -100
FAN_PRE_ACCESS = 0x0010_0000
FAN_DENY = 0x2
EVENT = struct.Struct("=IBBHQii")
ANSWER = struct.Struct("=iI")
SIZE_BYTES = 3_000_000
READERS = {
    "read": "import sys; data = open(sys.argv[1], 'rb').read(); print('zeros' if not any(data) else 'data')",
    "map into memory": (
        "import mmap, os, sys; file = os.open(sys.argv[1], os.O_RDONLY); "
        "print('zeros' if not mmap.mmap(file, 0, prot=mmap.PROT_READ)[0] else 'data')"
    ),
    "copy_file_range": (
        "import os, sys, tempfile; file = os.open(sys.argv[1], os.O_RDONLY); "
        "other = tempfile.TemporaryFile(dir=os.path.dirname(sys.argv[1])); os.copy_file_range(file, other.fileno(), 100); print('zeros')"
    ),
    "cp": (
        "import subprocess, sys; copy = sys.argv[1] + '.copy'; subprocess.run(['cp', sys.argv[1], copy], check=True, capture_output=True); "
        "print('zeros' if not any(open(copy, 'rb').read()) else 'data')"
    ),
}


def group() -> int:
    """Descriptor of a fanotify group. Raises OSError where the kernel or our rights don't allow one."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = int(libc.fanotify_init(FAN_CLASS_PRE_CONTENT | FAN_CLOEXEC, os.O_RDWR | os.O_CLOEXEC))
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "fanotify_init")
    return descriptor


def watch(descriptor: int, path: Path) -> None:
    """Raises OSError for a file system that has no such events."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.fanotify_mark.argtypes = [ctypes.c_int, ctypes.c_uint, ctypes.c_uint64, ctypes.c_int, ctypes.c_char_p]
    if libc.fanotify_mark(descriptor, FAN_MARK_ADD, FAN_PRE_ACCESS, AT_FDCWD, os.fsencode(path)) < 0:
        raise OSError(ctypes.get_errno(), "fanotify_mark")


def refuse(descriptor: int) -> None:
    """The helper: an input/output error for every reader, for ever."""
    while True:
        events, at = os.read(descriptor, 4096), 0
        while at < len(events):
            length, *_, file, _ = EVENT.unpack_from(events, at)
            os.write(descriptor, ANSWER.pack(file, FAN_DENY | errno.EIO << 24))
            os.close(file)
            at += length


@contextmanager
def helper(path: Path, *, answers: bool) -> Iterator[int]:
    """Its process, with the placeholder watched."""
    ready, told = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            descriptor = group()
            watch(descriptor, path)
            os.write(told, b"\0")
            if answers:
                refuse(descriptor)
            time.sleep(60)
        finally:
            os._exit(1)
    os.close(told)
    try:
        if not os.read(ready, 1):
            raise OSError(errno.EOPNOTSUPP, "no pre-content events here")
        yield pid
    finally:
        os.close(ready)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def start(reader: str, path: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", READERS[reader], path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def outcome(process: "subprocess.Popen[str]") -> str:
    said, complaint = process.communicate(timeout=30)
    return said.strip() or "an error: " + complaint.strip().rpartition("\n")[2]


def placeholder(folder: Path) -> Path:
    path = folder / "photo.jpg"
    path.unlink(missing_ok=True)
    path.touch()
    os.truncate(path, SIZE_BYTES)
    return path


def findings(folder: Path) -> Iterator[tuple[str, str]]:
    """(reader, how it fared). Raises OSError."""
    for reader in READERS:
        path = placeholder(folder)
        with helper(path, answers=True):
            yield f"{reader}, the helper refuses", outcome(start(reader, path))
    path = placeholder(folder)
    with helper(path, answers=False) as pid:
        waiting = start("read", path)
        time.sleep(1)
        os.kill(pid, signal.SIGKILL)
        yield "read, the helper is killed meanwhile", outcome(waiting)
    path = placeholder(folder)
    path.chmod(0)
    yield "read by root, mode 000, no helper", outcome(start("read", path))


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory(dir=arguments[0]) as folder:
        try:
            for reader, fared in findings(Path(folder)):
                print(f"{reader:<40} {fared}", flush=True)
        except OSError as error:
            print(f"not here: {error.strerror}")
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
