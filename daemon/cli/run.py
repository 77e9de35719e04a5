"""`run`: the service, in the foreground."""

import click

from daemon.places import Places


@click.command()
@click.pass_obj
def run(places: Places) -> None:
    """Run the service in the foreground: watch, archive by night. `service install` has systemd do this.

    SIGTERM or Ctrl-C ends it within seconds, in the midst of a photo too, and nothing is lost. SIGHUP reads the configuration again.
    """
    import logging

    from daemon import announcing, control, logs
    from daemon.composition import service_pid
    from daemon.errors import AlreadyRunning
    from daemon.service import Service

    running = service_pid(places)
    if running is not None:
        which = f" as process {running}" if running else ""
        raise AlreadyRunning(f'the service runs already{which}; "gallery-optimizer status" says what it is at.')
    logs.at_least(logging.INFO)
    service = Service(places)
    service.started += [control.serve, announcing.after_nights]
    service.run()
