"""`report`: what the last night did, in one paragraph."""

import click

from daemon.cli.output import emit, json_option, prose
from daemon.places import Places


@click.command()
@click.option("--notify", is_flag=True, help="Tell the desktop too, by notify-send.")
@json_option
@click.pass_obj
def report(places: Places, notify: bool, as_json: bool) -> None:
    """Say in one paragraph what the last night did.

    What was archived, saved, and left alone and why; what held it up, and when the next one begins.

    The night that is under way counts as the last one. The service logs the same after every night.
    """
    from datetime import UTC, datetime

    from daemon import announcing, asking, settings
    from daemon.errors import CommandFailed
    from daemon.nightly import RUNS, of_night
    from daemon.reading import reading_room
    from daemon.zone import local_zone

    wanted = settings.read(places.config_file)
    window = wanted.schedule.window
    now, zone = datetime.now(UTC), local_zone()
    with reading_room(places) as catalog:
        runs = [] if catalog is None else catalog.runs(limit=RUNS)
        passed_by = announcing.passed_by(wanted, catalog)
    found = of_night(window.night(now, zone) or window.last_night(now, zone), runs)
    next_at = window.next_night(now, zone).starts_at
    runs_by_itself = asking.doing(places) is not None
    text = found.paragraph(zone, next_at if runs_by_itself else None, passed_by)
    if not runs_by_itself:
        text += " The service does not run."
    if as_json:
        emit("report", **found.as_json(), passed_by=passed_by, next_night_at=int(next_at.timestamp()), text=text)
    else:
        prose(text)
    if notify and not announcing.notify(text):
        raise CommandFailed("the desktop could not be told; is notify-send (libnotify) installed, and does this run in a session?")
