"""`service`: have systemd run it."""

import os
from typing import TYPE_CHECKING

import click

from daemon.cli.output import WholeSentences, emit, json_option, remark, say
from daemon.places import CONFIG_VARIABLE, STATE_VARIABLE, Places

if TYPE_CHECKING:
    from daemon.units import Unit

_system_option = click.option("--system", is_flag=True, help="The system's own manager, hardened, for the photos of --user; needs root.")
_desktop_option = click.option(
    "--desktop", is_flag=True, help="Not the service, but entries of file managers: a right click restores, archives have thumbnails."
)
_user_option = click.option("--user", metavar="NAME", help="With --system: to whom the photos belong.")


@click.group(cls=WholeSentences)
def service() -> None:
    """Have systemd run the service, for you or for the system."""


@service.command()
@_system_option
@_user_option
@click.option("--no-start", is_flag=True, help="Only write the unit file.")
@_desktop_option
@click.pass_context
def install(context: click.Context, system: bool, user: str | None, no_start: bool, desktop: bool) -> None:
    """Write the unit file, enable the service and start it.

    This very program is named in it: call this again after an update or a move.

    --config and --state, where given or in your environment, are written into it, and into the entries of --desktop.
    """
    from daemon import settings, units

    places = context.find_object(Places)
    assert places is not None
    given = context.find_root().params
    if given.get("said"):
        raise click.UsageError("--set is for one call; the service reads its configuration: write it there.")
    outside = not system and any(os.environ.get(name) for name in (CONFIG_VARIABLE, STATE_VARIABLE, "XDG_CONFIG_HOME", "XDG_STATE_HOME"))
    own = places if given.get("config") or given.get("state") or outside else None
    if desktop:
        from daemon import desktop as entries

        for line in entries.install(units.program(), own):
            say(line)
        return
    unit = _unit(system, user)
    config = units.system_config(unit.user) if unit.user and own is None else places.config_file
    with units.at_home(unit.user):
        wanted = settings.read(config)  # a service that would end at once is not installed
    units.try_as(unit, units.program(), config)
    for line in units.install(unit, own, [each.path for each in wanted.galleries], start=not no_start):
        say(line)


@service.command()
@_system_option
@_user_option
@_desktop_option
def uninstall(system: bool, user: str | None, desktop: bool) -> None:
    """Stop and disable it, and remove the unit file. Photos, archives, catalogue and configuration stay."""
    from daemon import units

    if desktop:
        from daemon import desktop as entries

        for line in entries.uninstall():
            say(line)
        return
    for line in units.uninstall(_unit(system, user)):
        say(line)


@service.command()
@_system_option
@_user_option
@json_option
@click.pass_obj
def status(places: Places, system: bool, user: str | None, as_json: bool) -> None:
    """Say whether the service runs and what it is at. Exit code 3 where none does."""
    from daemon import units
    from daemon.composition import service_pid
    from daemon.errors import CommandFailed, NothingToDo

    unit = _unit(system, user)
    told: dict[str, str] = {}
    trouble = ""
    try:
        told = units.state(unit)
    except CommandFailed as error:
        trouble = str(error)
    installed, active = unit.file.exists(), told.get("ActiveState") == "active"
    pid = service_pid(places)
    if as_json:
        emit(
            "service status",
            unit=unit.name,
            file=str(unit.file),
            installed=installed,
            enabled=told.get("UnitFileState") == "enabled",
            active=active,
            state=told.get("SubState") or None,
            doing=told.get("StatusText") or None,
            result=told.get("Result") or None,
            restarts=int(told.get("NRestarts") or 0),
            pid=pid,
        )
    else:
        how = f"installed ({unit.file})" if installed else 'not installed; "gallery-optimizer service install" does that'
        say(f"{unit.name}: {how}")
        if told:
            words = f"{told.get('ActiveState')} ({told.get('SubState')}), {told.get('UnitFileState') or 'not enabled'}"
            say(words + (f": {told['StatusText']}" if told.get("StatusText") else ""))
            if told.get("Result") not in ("", "success", None):
                say(f"last result: {told['Result']}; see: journalctl {'' if system else '--user '}-u {unit.name}")
        if pid is not None:
            say(f"A service runs on {places.state_folder}: process {pid}.")
    if trouble and not as_json:
        remark(trouble)
    if not active and pid is None:
        raise NothingToDo("no service runs.")


def _unit(system: bool, user: str | None) -> "Unit":
    from daemon.units import Unit

    if system and not user:
        raise click.UsageError("--system needs --user NAME: to whom the photos belong.")
    if user and not system:
        raise click.UsageError("--user is for --system; without, it is your own service.")
    return Unit(user or "")
