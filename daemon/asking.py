"""Asking the running service: the other end of `control`, in every command that may hand its work over."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon import errors
from daemon.errors import CommandFailed, DaemonError
from daemon.places import Places
from daemon.sockets import VERSION, reachable

if TYPE_CHECKING:
    from daemon.ports import Progress
    from daemon.restorer import Restoration
    from daemon.selection import Chosen

_QUICK_S = 0.25
"""So long a service may take to answer a question."""


class NoService(Exception):
    """No service runs on this state."""


class Silent(CommandFailed):
    """There is a service, and it did not answer in the time that it was given."""


def ask(places: Places, command: str, *, time_out_s: float | None = None, **order: Any) -> Iterator[dict[str, Any]]:
    """The service's answers, the last of them with the event `done`.

    Raises NoService where none runs, and what the service says went wrong as the DaemonError that it is.
    """
    with _connected(places, time_out_s) as connection, connection.makefile("rwb") as stream:
        try:
            stream.write(json.dumps({"version": VERSION, "command": command, **order}).encode() + b"\n")
            stream.flush()
            for line in stream:
                answer = json.loads(line)
                if answer["event"] == "failed":
                    raise _error(answer)
                yield answer
                if answer["event"] == "done":
                    return
        except TimeoutError as error:
            raise Silent("the service does not answer.") from error
        except OSError as error:
            raise CommandFailed(f"the service does not answer: {error}") from error
    raise CommandFailed("the service ended meanwhile. Nothing is lost: what was begun is finished or undone at its next start.")


def doing(places: Places) -> dict[str, Any] | None:
    """What the service is at (`control.as_json`), "silent" where it does not answer at once: it has the lowest priority, and on a busy
    computer that takes its time. None where none runs."""
    try:
        (answer,) = ask(places, "status", time_out_s=_QUICK_S)
    except Silent:
        from daemon import control
        from daemon.doing import Doing

        return control.as_json(Doing("silent"))
    except (NoService, DaemonError, ValueError, KeyError):
        return None
    found = answer.get("doing")
    return found if isinstance(found, dict) else None


def optimize(places: Places, paths: list[Path], progress: "Progress", waits: Callable[[str], None], *, as_it_is: bool) -> dict[str, Any]:
    """Have the service work on these now; the summary (`run_report.packed`). Raises NoService, and what went wrong."""
    named = [str(path.absolute()) for path in paths]
    return dict(_watched(ask(places, "optimize", paths=named, as_it_is=as_it_is), progress, waits)["summary"])


def restore(places: Places, chosen: "Chosen", progress: "Progress", waits: Callable[[str], None] = lambda _: None) -> "list[Restoration]":
    """Have the service give these back, in place. Raises CommandFailed where it ended meanwhile, and what went wrong."""
    from daemon.restore_report import unpacked
    from daemon.selection import is_pattern

    order: dict[str, Any] = {
        "paths": [str(path if is_pattern(path) else path.absolute()) for path in chosen.paths],
        "albums": list(chosen.albums),
        "since": None if chosen.since is None else chosen.since.isoformat(),
        "here": str(chosen.here or Path.cwd()),
    }
    try:
        return unpacked(_watched(ask(places, "restore", **order), progress, waits)["results"])
    except NoService:
        raise CommandFailed("the service ended meanwhile; call it again.") from None


def _watched(answers: Iterator[dict[str, Any]], progress: "Progress", waits: Callable[[str], None]) -> dict[str, Any]:
    """The last answer; what comes before is shown. `waits` is called once with a sentence, where the service first ends something else."""
    waiting = False
    for answer in answers:
        match answer["event"]:
            case "start":
                progress.start(answer["total"], answer["what"])
            case "step":
                progress.step(answer["name"])
            case "photo":
                progress.done(answer["name"], answer["outcome"])
            case "progress" if answer["doing"]["what"] == "working" and not waiting:
                waiting = True
                waits(f"The service first finishes the photo at hand: {answer['doing']['photo'] or 'it looks around'}")
            case "done":
                progress.close()
                return answer
    raise AssertionError("`ask` ends with done or raises")


def _connected(places: Places, time_out_s: float | None) -> socket.socket:
    for path in places.socket_files:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(time_out_s)
        try:
            with reachable(path) as name:
                connection.connect(name)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            connection.close()  # nobody, or what a killed service left
        except OSError as error:
            connection.close()
            raise CommandFailed(f"the service can't be asked: {path}: {error.strerror or error}") from error
        else:
            return connection
    raise NoService


def _error(answer: dict[str, Any]) -> DaemonError:
    kind = getattr(errors, str(answer.get("kind")), CommandFailed)
    fitting = isinstance(kind, type) and issubclass(kind, DaemonError)
    return (kind if fitting else CommandFailed)(str(answer.get("message", "")))
