"""`gallery-optimizer`: global options, the list of commands, and errors turned into exit codes."""

import errno
import importlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

import click

from daemon.cli.given import Given
from daemon.cli.output import WholeSentences, remark
from daemon.errors import AlreadyRunning, DaemonError, DiskFull
from daemon.exits import ExitCode
from daemon.places import CONFIG_VARIABLE, STATE_VARIABLE, Places

GROUPS: dict[str, dict[str, str]] = {
    "To begin": {"config": "config", "optimize": "optimize"},
    "To leave it to itself": {"service": "service", "run": "run", "pause": "pause", "resume": "pause", "sync-guard": "sync_guard"},
    "To see what it did": {"status": "status", "report": "report", "history": "history", "explain": "explain", "serve": "serve"},
    "To get photos back": {"restore": "restore", "mount": "mount", "export": "eject", "eject": "eject"},
    "To look after it": {"verify": "verify", "doctor": "doctor"},
    "Single files, without a gallery": {"encode": "single", "decode": "single", "thumbnail": "thumbnail"},
}
"""What the commands are for, in the order of the help; each with its module."""
COMMANDS = {name: f"daemon.cli.{module}" for group in GROUPS.values() for name, module in group.items()}
CHANGING = frozenset({"optimize", "restore", "eject", "doctor", "verify"})
"""Commands that may be stopped in the midst of a change to a gallery."""


class Commands(WholeSentences):
    """Imports a command's module only when that command, or the help, is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        column = max(map(len, COMMANDS)) + 2
        for heading, group in GROUPS.items():
            with formatter.section(heading):
                found = [(name, self.get_command(ctx, name)) for name in group]
                rows = [(name.ljust(column - 2), each.get_short_help_str(1000)) for name, each in found if each is not None]
                formatter.write_dl(rows)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        found = getattr(importlib.import_module(COMMANDS[cmd_name]), cmd_name.replace("-", "_"))
        assert isinstance(found, click.Command)
        return found

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and args[0][:1].isalpha():
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            ctx.fail(f"No such command {args[0]!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        from storage.errors import Locked, NoSpace, StorageError

        try:
            return super().invoke(ctx)
        except Locked as error:
            _fail(f"{error}{_whose(ctx.obj)}", AlreadyRunning.exit_code)
        except DaemonError as error:
            _fail(str(error), error.exit_code)
        except NoSpace as error:
            _fail(str(error), DiskFull.exit_code)
        except StorageError as error:
            _fail(str(error), ExitCode.FAILED)
        except OSError as error:  # such as stdout on a full disk
            if error.errno == errno.EPIPE:
                raise
            _fail(_in_words(error), ExitCode.FAILED)
        except KeyboardInterrupt:
            begun = " Nothing is lost: the next run finishes or undoes what was begun." if ctx.invoked_subcommand in CHANGING else ""
            _fail(f"stopped.{begun}", 128 + signal.SIGINT)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--config", type=Given(), metavar="FILE", help=f"Configuration file (environment: {CONFIG_VARIABLE}).")
@click.option("--state", type=Given(), metavar="DIR", help=f"Where the catalogue lives (environment: {STATE_VARIABLE}).")
@click.option("--set", "said", multiple=True, metavar="KEY=VALUE", help="Another value for this call, such as schedule.window=always.")
@click.option("-v", "--verbose", count=True, help="Say more on stderr; twice for every detail.")
@click.version_option(package_name="gallery-optimizer")
@click.pass_context
def cli(context: click.Context, config: Path | None, state: Path | None, said: tuple[str, ...], verbose: int) -> None:
    """Make room in photo galleries: re-code photos that nobody opens, prove every archive, give any photo back.

    Start with "gallery-optimizer config init", then "gallery-optimizer optimize".
    """
    from daemon import logs

    logs.configure(verbose)
    for each in said:
        _say_outside(each)
    context.obj = Places.find(config, state)


def _say_outside(said: str) -> None:
    """`--set schedule.window=always` is what the environment variable of that key would say, for this call and its workers."""
    from daemon.keys import KEYS
    from daemon.settings import variable_of

    name, equals, value = said.partition("=")
    key = next((each for each in KEYS if name.strip() == f"{each.table}.{each.name}" and each.name != "path"), None)
    if key is None or not equals:
        import difflib

        near = difflib.get_close_matches(name.strip(), [f"{each.table}.{each.name}" for each in KEYS if each.name != "path"], n=1)
        hint = f"; did you mean {near[0]}?" if near else '; write TABLE.KEY=VALUE, such as "schedule.window=always"'
        raise click.BadParameter(f"{said!r} names no key of the configuration{hint}", param_hint="'--set'")
    os.environ[variable_of(key)] = value.strip()


def main() -> None:
    """Entry point of the script."""
    signal.signal(signal.SIGTERM, _stop)
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # names of files may be any bytes
    try:
        cli(prog_name="gallery-optimizer")
    except OSError as error:  # the help on a full disk: click writes it before there is a command
        remark(f"gallery-optimizer: {_in_words(error)}")
        sys.exit(ExitCode.FAILED)


def _in_words(error: OSError) -> str:
    """Of an error that no place of ours foresaw."""
    from storage.errors import shown

    if error.filename is not None:
        return f"{shown(error.filename)}: {error.strerror}."
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF):  # what we print, or what it is sent to
        return f"the output can't be written: {error.strerror}."
    return str(error)


def _open_streams() -> None:
    """A program may be started with its streams closed. The next file that it opens, an archive for one, would get such a stream's number,
    and with it whatever a library prints."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))


def _stop(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


def _whose(places: object) -> str:
    """What to do where the lock is the service's."""
    from daemon import asking

    if not isinstance(places, Places) or asking.doing(places) is None:
        return ""
    return '. It is the service; "gallery-optimizer pause" has it leave off after the photo at hand, and "resume" go on.'


def _fail(message: str, code: int) -> None:
    remark(f"gallery-optimizer: {message}")
    raise click.exceptions.Exit(int(code))


if __name__ == "__main__":
    main()
