"""Small real disks for the tests that are marked `root`."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def tmpfs(place: Path, size_bytes: int) -> Iterator[Path]:
    """A file system of that size; without the right to mount one the test is skipped, saying so."""
    place.mkdir(exist_ok=True)
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", place], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"a small disk can't be mounted: {made.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], capture_output=True)


@contextmanager
def ext4(place: Path, size_bytes: int) -> Iterator[Path]:
    """The same on a loop device, with a journal and with blocks that are only given out when they are written."""
    image = place.with_suffix(".img")
    with image.open("wb") as file:
        file.truncate(size_bytes)
    place.mkdir()
    for command in (["mkfs.ext4", "-q", "-m", "0", str(image)], ["mount", "-o", "loop", str(image), str(place)]):
        try:
            made = subprocess.run(command, capture_output=True, text=True)
        except FileNotFoundError:
            pytest.skip(f"{command[0]} is not installed")
        if made.returncode:
            pytest.skip(f"a small disk can't be made: {made.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], capture_output=True)


def fill(folder: Path, leave_bytes: int = 0) -> Path:
    """Take every byte of a disk, but for about `leave_bytes`."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(b"x" * size)
            except OSError:
                size //= 2
            if ballast.stat().st_size % 4096:
                size = min(size, 4096 - ballast.stat().st_size % 4096)
        if leave_bytes:
            with suppress(OSError):
                os.truncate(ballast, ballast.stat().st_size - leave_bytes)
    return ballast


class Card:
    """A disk that does not tell capitals from small letters, and knows neither exchange, links nor attributes: exFAT, by FUSE."""

    def __init__(self, place: Path, device: str) -> None:
        self.place, self.device = place, device

    def plug(self) -> None:
        made = subprocess.run(["mount.exfat-fuse", self.device, self.place], capture_output=True, text=True)
        if made.returncode:
            pytest.skip(f"a small disk can't be mounted: {made.stderr.strip()}")

    def pull(self) -> None:
        subprocess.run(["umount", self.place], capture_output=True, check=True)


@contextmanager
def exfat(place: Path, size_bytes: int) -> Iterator[Card]:
    """One that is plugged in."""
    image = place.with_suffix(".img")
    with image.open("wb") as file:
        file.truncate(size_bytes)
    place.mkdir()
    try:
        subprocess.run(["mkfs.exfat", image], capture_output=True, check=True)
        made = subprocess.run(["losetup", "--find", "--show", image], capture_output=True, text=True)
        if made.returncode:
            pytest.skip(f"a small disk can't be made: {made.stderr.strip()}")
        card = Card(place, made.stdout.strip())
        try:
            card.plug()
            yield card
        finally:
            subprocess.run(["umount", "-l", place], capture_output=True)
            subprocess.run(["losetup", "-d", card.device], capture_output=True)
    except FileNotFoundError as error:
        pytest.skip(f"{error.filename} is not installed")
