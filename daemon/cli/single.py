"""`encode` and `decode`: one file, without gallery or catalogue."""

from pathlib import Path

import click

from codec.levels import DEFAULT_LEVEL, EXACT, LEVELS
from daemon.cli.given import Given, Number
from daemon.cli.output import emit, json_option, say
from daemon.places import Places, real

_input = click.argument("source", metavar="IN", type=Given())
_output = click.option("-o", "--output", "goal", required=True, metavar="OUT", type=Given(), help="The file to write.")
_force = click.option("--force", is_flag=True, help="Overwrite OUT.")


@click.command()
@_input
@_output
@click.option("--rate", type=Number(0, 1), metavar="R", help="From 0, smallest, to 1, best; without a look at the quality.")
@click.option(
    "--quality",
    type=click.Choice([*LEVELS, EXACT.name]),
    help=f"The fewest bits that reach this level; {DEFAULT_LEVEL.name} by default. exact: a JPEG, bit for bit.",
)
@_force
@json_option
@click.pass_obj
def encode(places: Places, source: Path, goal: Path, rate: float | None, quality: str | None, force: bool, as_json: bool) -> None:
    """Encode one JPEG or PNG into an archive, OUT.nphoto. The file itself stays as it is."""
    import math
    import os

    from daemon.composition import start_workers
    from daemon.eligibility import SUFFIXES
    from daemon.messages import EncodeJob, Refused
    from daemon.report import LANE_WORDS, amount, change
    from daemon.settings import limits_of
    from daemon.verification import LOSSLESS
    from storage.digest import read_once
    from storage.errors import shown

    if rate is not None and quality is not None:
        raise click.UsageError("--rate and --quality exclude each other.")
    if goal.name == "-" or goal.suffix.lower().encode() in SUFFIXES:
        raise click.UsageError(f"{shown(goal)}: OUT is an archive and a file; give it a name such as {shown(source.stem)}.nphoto.")
    _check(source, goal, force)
    snapshot = read_once(source)
    job = EncodeJob(
        original=snapshot.data,
        sha256=snapshot.sha256,
        name=os.fsencode(source.name),
        mtime_ns=snapshot.fingerprint.mtime_ns,
        mode=snapshot.fingerprint.mode & 0o7777,
        level=quality or DEFAULT_LEVEL.name,
        min_saving=-math.inf,
        min_saving_lossless=-math.inf,
        stand_in=False,
        rate=rate,
    )
    with start_workers(limits_of(places.config_file)) as workers:
        made = workers.encode(job)
    if isinstance(made, Refused):
        raise _refusal(source, made)
    _write(goal, made.archive, force)
    pixels = made.width * made.height
    if as_json:
        emit(
            "encode",
            original_bytes=len(snapshot.data),
            archive_bytes=len(made.archive),
            bits_per_pixel=8 * len(made.archive) / pixels,
            rate=made.rate,
            score_whole=made.whole,
            score_worst_tile=made.worst_tile,
            width=made.width,
            height=made.height,
            lane=made.lane,
            model=made.model,
        )
        return
    saved = f"{amount(len(snapshot.data))} -> {amount(len(made.archive))} ({change(1 - len(made.archive) / len(snapshot.data))})"
    if made.lane in LOSSLESS:
        say(f"{saved}, {LANE_WORDS[made.lane]}")
        return
    say(
        f"{saved},"
        f" {8 * len(made.archive) / pixels:.3f} bits a pixel at rate {made.rate:.3f};"
        f" SSIMULACRA2 {made.whole:.1f}, worst tile {made.worst_tile:.1f}"
    )


@click.command()
@_input
@_output
@click.option("--reference", is_flag=True, help="Slowly, by the decoder that the format is written down as: the pixels alone, to a PNG.")
@_force
@json_option
@click.pass_obj
def decode(places: Places, source: Path, goal: Path, reference: bool, force: bool, as_json: bool) -> None:
    """Decode one archive into a JPEG or PNG. The ending of OUT says which."""
    from daemon.composition import start_workers
    from daemon.errors import CommandFailed
    from daemon.messages import Format, Refused, RestoreJob
    from daemon.report import amount
    from daemon.settings import limits_of
    from storage.errors import shown

    formats: dict[str, Format] = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png"}
    if goal.suffix.lower() not in formats:
        raise click.UsageError(f"{shown(goal)}: OUT must end in .jpg, .jpeg or .png.")
    if reference and goal.suffix.lower() != ".png":
        raise click.UsageError(f"{shown(goal)}: with --reference, OUT must end in .png.")
    _check(source, goal, force)
    if reference:
        _check_lane(source)
    with start_workers(limits_of(places.config_file)) as workers:
        answer = workers.restore(RestoreJob(real(source), formats[goal.suffix.lower()], reference=reference))
    if isinstance(answer, Refused) and answer.reason == "corrupt":
        raise CommandFailed(f"{shown(source)}: it is no archive, or a damaged one ({answer.detail}).")
    if isinstance(answer, Refused):
        raise _refusal(source, answer)
    _write(goal, answer.data, force)
    if as_json:
        emit("decode", bytes=len(answer.data), archive_sha256=answer.archive_sha256)
    else:
        say(f"{shown(goal)}: {amount(len(answer.data))}")


def _check_lane(source: Path) -> None:
    """The reference decoder has one lane; what else is wrong with a file, the worker says."""
    from codec.bitstream import PEEK_BYTES, peek
    from codec.errors import CodecError
    from daemon.errors import CommandFailed
    from storage.errors import shown

    with source.open("rb") as file:
        try:
            lane = peek(file.read(PEEK_BYTES)).lane
        except CodecError:
            return
    if lane != "neural":
        raise CommandFailed(f"{shown(source)} is of the {lane} lane, which the reference decoder does not read; leave --reference out.")


def _check(source: Path, goal: Path, force: bool) -> None:
    """Before any work is done."""
    from daemon.errors import CommandFailed, WrongPath
    from storage.errors import shown

    if not source.is_file():
        raise WrongPath(f"{shown(source)} " + ("is no plain file." if source.exists() else "is not there."))
    if goal.exists() and source.samefile(goal):
        raise WrongPath(f"{shown(goal)}: IN and OUT are the same file; it stays as it is.")
    if goal.is_dir() or (goal.exists() and not force):
        raise CommandFailed(f"{shown(goal)} is already there; it stays as it is" + ("." if goal.is_dir() else ". --force overwrites it."))
    if not goal.absolute().parent.is_dir():
        raise WrongPath(f"{shown(goal)} can't be written: its folder is not there.")


def _write(goal: Path, data: bytes, force: bool) -> None:
    import os
    import time

    from storage import durable
    from storage.attributes import Attributes

    goal = goal.absolute()
    os.umask(mask := os.umask(0o077))
    now = time.time_ns()
    ordinary = Attributes(0o666 & ~mask, os.getuid(), os.getgid(), now, now, {})  # as any program's output, not as secret as a vault
    write = durable.write_over if force else durable.write_new
    write(goal, data, ordinary)


def _refusal(source: Path, answer: object) -> Exception:
    from daemon.errors import CommandFailed
    from daemon.messages import Refused
    from daemon.reasons import sentence
    from storage.errors import shown

    assert isinstance(answer, Refused)
    if answer.reason == "unknown-version":
        return CommandFailed(
            f"{shown(source)}: {answer.detail}. Nothing is wrong with the file: a later version of gallery-optimizer wrote it, and that "
            "version, or any after it, decodes it."
        )
    return CommandFailed(f"{shown(source)}: {sentence(answer.reason)}" + (f" ({answer.detail})." if answer.detail else "."))
