"""The running service takes orders: a Unix socket in the runtime directory, else in the state folder, for its own user only.

One connection is one order. A line of JSON goes in, lines of JSON come out, the last of them with `"event": "done"` or `"failed"`; each has
a `"version"`. Orders: `status`, `pause` (`until`: ISO 8601 or null), `resume`, `optimize` (`paths`, `as_it_is`), `restore` (`paths`,
`albums`, `since`, `here`). While it works for one of the last two, the service tells its progress; the work goes on when whoever asked
hangs up.
"""

import json
import logging
import os
import queue
import socket
import socketserver
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon import restore_report
from daemon.asked import Asked, Result, to_optimize, to_restore
from daemon.doing import Doing
from daemon.errors import AlreadyRunning, CommandFailed, DaemonError
from daemon.pausing import FOR_EVER
from daemon.places import is_folder
from daemon.run_report import packed
from daemon.selection import Chosen
from daemon.sockets import VERSION, reachable
from storage import durable
from storage.errors import Locked, Missing, StorageError

if TYPE_CHECKING:
    from daemon.service import Service

MOST_BYTES = 1 << 20
"""Of an order."""
_BEAT_S = 1.0
_PEER = struct.Struct("3i")

_log = logging.getLogger(__name__)


def serve(service: "Service") -> Callable[[], None]:
    """Begin to listen; gives what ends it. Where no socket can be made, the service works without."""
    path = service.places.socket_files[0]
    try:
        if not is_folder(path.parent):
            durable.make_folder(path.parent)
        with suppress(Missing):
            durable.remove(path)  # of a service that was killed: this one holds the lock
        with reachable(path) as name:
            server = _Server(name, service)
        path.chmod(0o600)
    except (StorageError, OSError) as error:
        _log.warning("no orders can be taken: %s can't be made (%s)", path, error)
        return lambda: None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, name="control", daemon=True)
    thread.start()

    def end() -> None:
        server.shutdown()
        server.server_close()
        with suppress(StorageError):
            durable.remove(path)

    return end


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, name: str, service: "Service") -> None:
        self.service = service
        super().__init__(name, _Order)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Only for the service's own user, and root."""
        _, uid, _ = _PEER.unpack(request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        return uid in (os.geteuid(), 0)

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.debug("an order was broken off", exc_info=True)


class _Order(socketserver.StreamRequestHandler):
    timeout = 60  # for the order itself; answers may take a night
    server: _Server

    def handle(self) -> None:
        line = self.rfile.readline(MOST_BYTES)
        try:
            order = json.loads(line)
            if not isinstance(order, dict) or order.get("version") != VERSION:
                raise ValueError(f"this service understands version {VERSION}")
            self._obey(order)
        except (ValueError, TypeError, KeyError) as error:
            self._failed(CommandFailed(f"the service does not understand this: {error}"))
        except (DaemonError, StorageError) as error:
            self._failed(error)

    def _obey(self, order: dict[str, Any]) -> None:
        service = self.server.service
        match order["command"]:
            case "status":
                pass
            case "pause":
                until = order.get("until")
                service.work.pause(None if until is None else datetime.fromisoformat(until))
                service.wake()
            case "resume":
                service.work.resume()
                service.wake()
            case "optimize":
                self._optimize([Path(each) for each in order["paths"]], bool(order.get("as_it_is")))
                return
            case "restore":
                since, here = order.get("since"), order.get("here")
                self._restore(
                    Chosen(
                        [Path(each) for each in order["paths"]],
                        [str(each) for each in order.get("albums", [])],
                        None if since is None else datetime.fromisoformat(since),
                        None if here is None else Path(here),
                    )
                )
                return
            case other:
                raise ValueError(f"no order {other!r}")
        self._say("done", doing=as_json(service.work.progress()))

    def _optimize(self, paths: list[Path], as_it_is: bool) -> None:
        heard = _Heard()
        summary = self._watched(self.server.service.work.ask(to_optimize(paths, as_it_is=as_it_is, progress=heard, told=heard.over)), heard)
        if summary is not None:
            self._say("done", summary=packed(summary))

    def _restore(self, chosen: Chosen) -> None:
        heard = _Heard()
        done = self._watched(self.server.service.work.ask(to_restore(chosen, progress=heard, told=heard.over)), heard)
        if done is not None:
            self._say("done", results=restore_report.packed(done))

    def _watched(self, asked: Asked[Result], heard: "_Heard") -> Result | None:
        """Tells how far it is until it is done; None where it failed, which is told."""
        service = self.server.service
        service.wake()
        last: dict[str, Any] = {}
        while not asked.finished.is_set() or not heard.said.empty():
            try:
                said = heard.said.get(timeout=_BEAT_S)
                if said is not None:
                    self._say(said[0], **said[1])
            except queue.Empty:
                now = as_json(service.work.progress())
                if now != last:
                    self._say("progress", doing=now)
                last = now
        if asked.result is None:
            self._failed(asked.error or CommandFailed("the service was stopped before it came to this"))
        return asked.result

    def _say(self, event: str, **values: Any) -> None:
        self.wfile.write(json.dumps({"version": VERSION, "event": event, **values}).encode() + b"\n")

    def _failed(self, error: Exception) -> None:
        kind = AlreadyRunning.__name__ if isinstance(error, Locked) else type(error).__name__
        self._say("failed", kind=kind, message=str(error))


class _Heard:
    """Progress of a run, put into a queue for the thread that answers; at its end None, so that nobody waits for a beat."""

    def __init__(self) -> None:
        self.said: queue.SimpleQueue[tuple[str, dict[str, Any]] | None] = queue.SimpleQueue()

    def start(self, total: int, what: str) -> None:
        self.said.put(("start", {"total": total, "what": what}))

    def step(self, name: str) -> None:
        self.said.put(("step", {"name": name}))

    def done(self, name: str, outcome: str) -> None:
        self.said.put(("photo", {"name": name, "outcome": outcome}))

    def close(self) -> None:
        pass

    def over(self) -> None:
        self.said.put(None)


def as_json(doing: Doing) -> dict[str, Any]:
    """What the service is at."""
    until = doing.paused_until
    return {
        "what": doing.what,
        "waits_for": doing.hold.reason if doing.hold else None,
        "why": str(doing.hold) if doing.hold else None,
        "night_ends_at": int(doing.night.ends_at.timestamp()) if doing.night else None,
        "next_night_at": int(doing.next_night.starts_at.timestamp()) if doing.next_night else None,
        "gallery": doing.gallery or None,
        "photo": doing.photo or None,
        "done": doing.done,
        "total": doing.total,
        "archived": doing.archived,
        "saving_bytes": doing.saving_bytes,
        "paused_until_at": int(until.timestamp()) if until is not None and until != FOR_EVER else None,
    }
