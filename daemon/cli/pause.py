"""`pause` and `resume`: the schedule rests for a while. Works with and without a running service."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.output import emit, json_option, remark, say
from daemon.places import Places

if TYPE_CHECKING:
    from collections.abc import Callable


def _span(context: click.Context, parameter: click.Parameter, value: str | None) -> timedelta | None:
    from daemon.keys import duration

    try:
        return None if value is None else duration(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} {error}") from error


@click.command()
@click.option("--for", "span", metavar="TIME", callback=_span, help='How long, such as "2h" or "3 days"; else until "resume".')
@json_option
@click.pass_obj
def pause(places: Places, span: timedelta | None, as_json: bool) -> None:
    """Have the service begin no further photo until `resume`. The one at hand is finished, and what you ask for by "optimize" is done all
    the same.

    A pause outlasts a restart of the service, and holds for a service that is started later.
    """
    from daemon import pausing

    until = None if span is None else datetime.now(UTC).replace(microsecond=0) + span
    doing = _tell(places, "pause", lambda: pausing.pause(places, until), until=None if until is None else until.isoformat())
    if as_json:
        emit("pause", until_at=None if until is None else int(until.timestamp()), service=doing)
        return
    say("Paused" + (' until "gallery-optimizer resume".' if until is None else f" until {until.astimezone():%Y-%m-%d %H:%M}."))
    if doing is None:
        remark("The service does not run at the moment; the pause holds when it is started.")
    elif doing["what"] == "working":
        remark(f"The photo at hand is finished first: {doing['photo']}" if doing["photo"] else "The service is about to stop its work.")


@click.command()
@json_option
@click.pass_obj
def resume(places: Places, as_json: bool) -> None:
    """End a pause."""
    from daemon import pausing
    from daemon.errors import NothingToDo

    if pausing.paused_until(places, datetime.now(UTC)) is None:
        raise NothingToDo("it is not paused.")
    doing = _tell(places, "resume", lambda: pausing.resume(places))
    if as_json:
        emit("resume", service=doing)
        return
    say("Resumed.")
    if doing is None:
        remark("The service does not run at the moment.")


def _tell(places: Places, command: str, alone: "Callable[[], None]", **order: Any) -> dict[str, Any] | None:
    """Have the service do it, or do it ourselves where none runs (None)."""
    from daemon import asking
    from daemon.state_folder import make_state_folder

    try:
        (answer,) = asking.ask(places, command, **order)
    except asking.NoService:
        make_state_folder(places)
        alone()
        return None
    return dict(answer["doing"])
