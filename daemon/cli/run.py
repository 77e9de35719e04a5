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
    from daemon.service import Service

    logs.at_least(logging.INFO)
    service = Service(places)
    service.started += [control.serve, announcing.after_nights]
    service.run()
