"""A pause that outlasts the service: a file in the state folder says until when nothing is begun by the schedule."""

from datetime import UTC, datetime

from daemon.places import Places
from storage import durable
from storage.errors import Missing

FOR_EVER = datetime.max.replace(tzinfo=UTC)


def paused_until(places: Places, now: datetime) -> datetime | None:
    """The end of a pause that holds at `now`; a file that can't be understood is one without an end."""
    try:
        text = places.pause_file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        return FOR_EVER
    try:
        until = datetime.fromisoformat(text)
    except ValueError:
        return FOR_EVER
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return until if now < until else None


def pause(places: Places, until: datetime | None = None) -> None:
    """`until` None: until `resume`. Raises StorageError."""
    text = "until resumed" if until is None else until.astimezone(UTC).isoformat()
    durable.write_over(places.pause_file, text.encode())


def resume(places: Places) -> None:
    try:
        durable.remove(places.pause_file)
    except Missing:
        return
