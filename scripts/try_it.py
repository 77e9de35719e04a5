"""What `make run` does: the whole life of a few photos, on copies in ./scratch, so that nobody's originals are touched.

It copies photos into a scratch gallery, runs the real program on it (`optimize`, `status`, `restore`, `decode`), and then looks at the
results for itself: is the restored file the original, and how does the copy that comes out of the archive compare with it.
"""

import argparse
import hashlib
import importlib.util
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MARKER = "made-by-make-run"
"""A scratch folder without this file is somebody else's, and is not removed."""
SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
NOTHING_TO_DO = 3
"""The exit code of a second run over the same gallery."""


@dataclass(frozen=True, slots=True)
class Scratch:
    """The folders of one try; everything the program writes lies below `root`."""

    root: Path

    @property
    def originals(self) -> Path:
        """Untouched second copies, to compare with afterwards."""
        return self.root / "originals"

    @property
    def gallery(self) -> Path:
        return self.root / "gallery"

    @property
    def restored(self) -> Path:
        return self.root / "restored"

    @property
    def decoded(self) -> Path:
        return self.root / "decoded"

    def program(self, *arguments: str) -> list[str]:
        """The command line of the real program, with a configuration and a state of its own."""
        places = ["--config", str(self.root / "config.toml"), "--state", str(self.root / "state")]
        return [sys.executable, "-m", "daemon.cli.main", *places, *arguments]


def say(text: str = "") -> None:
    print(text, flush=True)  # flushed, so that it stands before what the next program prints


def call(scratch: Scratch, *arguments: str) -> int:
    """Run one command as a user would; its output goes to the terminal."""
    say(f"\n$ gallery-optimizer {' '.join(arguments)}")
    return subprocess.run(scratch.program(*arguments), cwd=ROOT, check=False).returncode


def photos_below(folder: Path) -> list[Path]:
    """The photos of the folder and those below it, by name; hidden folders are left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def spread(found: list[Path], limit: int) -> list[Path]:
    """At most `limit` of them, evenly spread."""
    return found if len(found) <= limit else [found[index * len(found) // limit] for index in range(limit)]


def copy_photos(folder: Path, target: Path, chosen: list[Path]) -> None:
    """Copy photos with their dates and modes, in the same tree."""
    for path in chosen:
        copy = target / path.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)


def write_package_photos(target: Path) -> int:
    """The photographs inside scikit-image, a PNG saved as a JPEG (quality 95, 4:2:0), as a camera would."""
    from PIL import Image

    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        raise SystemExit("scikit-image is not installed: run `make run`, or give --photos DIR")
    names = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "hubble_deep_field.jpg", "retina.jpg", "rocket.jpg")
    for name in names:
        source = Path(spec.origin).parent / "data" / name
        copy = (target / name).with_suffix(".jpg")
        if source.suffix == ".jpg":
            shutil.copy2(source, copy)
            continue
        with Image.open(source) as image:
            tags = Image.Exif()
            tags[0x010E] = f"{name}, from the samples of scikit-image"  # ImageDescription: something for the restore to keep
            image.convert("RGB").save(copy, "JPEG", quality=95, subsampling="4:2:0", exif=tags.tobytes())
    return len(names)


def set_up(scratch: Scratch, photos: str, quality: str, grace: str, limit: int) -> None:
    """A fresh scratch folder: copies, a second set of copies to compare with, and a configuration."""
    if scratch.root.exists():
        if not (scratch.root / MARKER).exists():
            raise SystemExit(f"{scratch.root} was not made by `make run`; move it away first")
        shutil.rmtree(scratch.root)
    for folder in (scratch.root, scratch.originals, scratch.restored, scratch.decoded):
        folder.mkdir()
    (scratch.root / MARKER).touch()
    if photos:
        folder = Path(photos).expanduser().resolve()
        if not folder.is_dir():
            raise SystemExit(f"PHOTOS={photos}: there is no such folder")
        found = photos_below(folder)
        if not found:
            raise SystemExit(f"PHOTOS={photos}: no .jpg, .jpeg or .png file in it")
        chosen = spread(found, limit)
        copy_photos(folder, scratch.originals, chosen)
        count = "1 photo" if len(chosen) == 1 else f"{len(chosen)} photos"
        say(f"Copied {count} of {folder} into {scratch.gallery}; the originals are not touched.")
        if len(chosen) < len(found):
            say(f"(Of {len(found)}, spread over the folder; LIMIT={len(found)} takes all.)")
    else:
        say(f"Put {write_package_photos(scratch.originals)} photographs from the samples of scikit-image into {scratch.gallery}.")
        say("They are small, and the PNGs among them were saved as JPEG first; try your own with `make run PHOTOS=DIR`.")
    shutil.copytree(scratch.originals, scratch.gallery)
    (scratch.root / "config.toml").write_text(
        f"""\
[[gallery]]
path     = "{scratch.gallery}"
quality  = "{quality}"
idle_for = "0 days"     # at once: these are copies
grace    = "{grace}"
""",
        encoding="utf-8",
    )


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def segments_of(jpeg: bytes) -> list[bytes]:
    """Every APPn and COM segment, verbatim and in order, and last whatever stands after the end of the picture.

    Read here once more and on its own, not with the codec's reader: this is the look from outside.
    """
    found: list[bytes] = []
    position = 2
    while position + 4 <= len(jpeg):
        marker = jpeg[position + 1]
        length = int.from_bytes(jpeg[position + 2 : position + 4], "big")
        if 0xE0 <= marker <= 0xEF or marker == 0xFE:
            found.append(jpeg[position : position + 2 + length])
        position += 2 + length
        if marker == 0xDA:  # the scan: on to the next marker that is neither a stuffed byte nor a restart
            while position + 1 < len(jpeg) and (jpeg[position] != 0xFF or jpeg[position + 1] in (0x00, 0xFF, *range(0xD0, 0xD8))):
                position += 1
        while position + 1 < len(jpeg) and jpeg[position : position + 2] == b"\xff\xff":
            position += 1
        if jpeg[position : position + 2] == b"\xff\xd9":
            found.append(jpeg[position + 2 :])
            break
    return found


def archives_of(gallery: Path) -> Iterator[tuple[Path, str, str]]:
    """Each archive in the gallery's vault: its path, its lane, and the digest of the original that it says it stands for."""
    from codec.bitstream import unpack
    from codec.facts import Facts

    for path in sorted(gallery.rglob("*.nphoto")):
        archive = unpack(path.read_bytes())
        yield path, archive.lane, Facts.from_bytes(archive.sections["FACT"]).sha256


def compare_copy(original: Path, copy: Path) -> None:
    """Say how the copy that came out of the archive compares with the original."""
    import numpy as np
    from PIL import Image

    from codec.quality import score

    before, after = original.read_bytes(), copy.read_bytes()
    say(f"  size      {len(after):,} bytes; the original had {len(before):,}")
    if before == after:
        say("  content   identical, bit for bit")
        return
    if before[:2] == after[:2] == b"\xff\xd8":
        kept, held = segments_of(before), segments_of(after)
        same = "identical" if kept == held else "DIFFERENT"
        say(f"  metadata  {same}: {len(kept) - 1} segments, {len(kept[-1]):,} bytes after the end of the picture")
    with Image.open(original) as one, Image.open(copy) as two:
        mode = "L" if one.mode == "L" else "RGB"
        a, b = np.asarray(one.convert(mode)), np.asarray(two.convert(mode))
    if a.shape != b.shape:
        say(f"  pixels    DIFFERENT size: {b.shape[1]} x {b.shape[0]} instead of {a.shape[1]} x {a.shape[0]}")
        return
    measured = score(a, b)
    quality = f"SSIMULACRA2 {measured.whole:.1f} for the whole photo, {measured.worst_tile:.1f} in its worst tile"
    say(f"  pixels    {a.shape[1]} x {a.shape[0]}, {quality}")


def show_restore(scratch: Scratch) -> int:
    """Restore one archived photo in both ways there are, and say what came back."""
    by_digest = {digest: (path, lane) for path, lane, digest in archives_of(scratch.gallery)}
    candidates = [
        (lane != "neural", original.stat().st_size, original, path)
        for original in sorted(scratch.originals.rglob("*"))
        if original.is_file()
        for path, lane in [by_digest.get(sha256_of(original), (None, ""))]
        if path is not None
    ]
    if not candidates:
        say("\nNo photo was archived, so there is none to restore; `explain PATH` says why for each.")
        return 0
    candidates.sort(key=lambda candidate: candidate[:3])
    neural = [candidate for candidate in candidates if not candidate[0]] or candidates
    _, _, original, archive = neural[len(neural) // 2]  # a middling one, of the neural lane if there is one
    relative = original.relative_to(scratch.originals)

    code = call(scratch, "restore", str(scratch.gallery / relative), "--to", str(scratch.restored))
    if code:
        return code
    restored = next((path for path in scratch.restored.rglob(original.name) if path.is_file()), None)
    if restored is None:
        say(f"  {relative} did not appear in {scratch.restored}")
        return 1
    if sha256_of(restored) == sha256_of(original):
        say(f"  {relative}: the original itself, bit for bit, for as long as it is in grace")
    else:
        say(f"  {relative}: a copy rebuilt from the archive (the original is out of grace)")
        compare_copy(original, restored)

    rebuilt = scratch.decoded / original.name
    code = call(scratch, "decode", str(archive), "-o", str(rebuilt))
    if code:
        return code
    say(f"  {relative}: what the archive alone ({archive.stat().st_size:,} bytes) gives back, once the grace is over:")
    compare_copy(original, rebuilt)
    return 0


def at_least_one(text: str) -> int:
    """A count. Raises ValueError, of which argparse makes a usage error."""
    if (count := int(text)) < 1:
        raise ValueError
    return count


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--photos", default="", help="folder whose photos are copied; default: those inside scikit-image")
    parser.add_argument("--quality", default="high", help="visually-lossless, high or compact")
    parser.add_argument("--grace", default="7 days", help="how long the retired originals stay in the vault")
    parser.add_argument("--limit", type=at_least_one, default=25, help="at most this many photos")
    parser.add_argument("--keep", action="store_true", help="go on with the scratch gallery of the last run")
    parser.add_argument("--scratch", type=Path, default=ROOT / "scratch", help=argparse.SUPPRESS)
    choice = parser.parse_args()

    scratch = Scratch(choice.scratch.resolve())
    if choice.keep and scratch.gallery.is_dir():
        say(f"Going on with {scratch.gallery}")
        for folder in (scratch.restored, scratch.decoded):  # restore writes over nothing, not even over its own copy
            shutil.rmtree(folder)
            folder.mkdir()
    else:
        set_up(scratch, choice.photos, choice.quality, choice.grace, choice.limit)
    optimized = call(scratch, "optimize")
    shown = call(scratch, "status")
    restored = show_restore(scratch)
    say(f"\nEverything lies in {scratch.root}; `make clean` removes it. To go on by hand, with a configuration and a catalogue of its own:")
    say(
        f"  {shlex.join([str(Path(sys.executable).parent / 'gallery-optimizer'), *scratch.program()[3:], 'explain', str(scratch.gallery)])}"
    )
    return next((code for code in (optimized, shown, restored) if code not in (0, NOTHING_TO_DO)), 0)


if __name__ == "__main__":
    sys.exit(main())
