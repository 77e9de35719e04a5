"""`serve`: the galleries in a browser."""

from pathlib import Path

import click

from daemon.cli.given import Given
from daemon.cli.mount import cache_options
from daemon.cli.output import remark
from daemon.places import Places
from daemon.web.listening import DEFAULT, Listening, Names


@click.command()
@click.option("--listen", metavar="ADDRESS[:PORT]", default=DEFAULT, show_default=True, help="Where; 0.0.0.0 is the whole home network.")
@click.option("--host", "hosts", multiple=True, metavar="NAME", help="A further name under which browsers may ask. May be repeated.")
@click.option("--no-secret", is_flag=True, help="Let everybody on this computer look; not with another address.")
@click.option("--secret-file", type=Given(), metavar="FILE", help="A secret of your own: one line, in a file of mode 0600.")
@cache_options
@click.pass_obj
def serve(
    places: Places, listen: str, hosts: tuple[str, ...], no_secret: bool, secret_file: Path | None, cache: Path | None, cache_size: int
) -> None:
    """Show the galleries in a browser: albums, and photos in full.

    Open the address that it prints; Ctrl-C ends it. A visitor can look at photos, save them, and ask for one back in its place, and
    nothing else. Only this computer is served, unless you give another address. Whoever looks has to know a secret, which the printed
    address holds; a browser remembers it.
    """
    from daemon import settings
    from daemon.errors import CommandFailed
    from daemon.extras import how_to_install

    try:
        from daemon.web import server
    except ImportError as error:
        raise CommandFailed(f"the package {error.name} is missing ({error}); {how_to_install('serve')}") from error
    from daemon.web.secret import given, kept

    try:
        where = Listening.of(listen)
    except ValueError as error:
        raise click.BadParameter(f"{error}; write 127.0.0.1:8765, 0.0.0.0 or [::1]:8765", param_hint="'--listen'") from None
    if no_secret and (secret_file is not None or not where.is_loopback):
        raise click.UsageError("--no-secret is for this computer alone, and for no --secret-file.")
    wanted = settings.read(places.config_file)
    secret = None
    if secret_file is not None:
        secret = given(secret_file)
    elif not no_secret:
        from daemon.state_folder import make_state_folder

        make_state_folder(places)
        secret = kept(places.secret_file)
    with (
        where.opened() as door,
        server.application(places, wanted, cache or places.cache_folder, cache_size, Names(where, hosts), secret) as application,
    ):
        address = where.address(door.getsockname()[1])
        remark(f"Open in a browser: {address}" + ("" if secret is None else f"login?secret={_quoted(secret.text)}"))
        if secret is not None and not where.is_loopback:
            remark("Whoever has that address can see the photos. It is not encrypted: for your own network only.")
        remark("Ctrl-C ends it.")
        server.serve(application, door)


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text.encode("utf-8", "surrogateescape"), safe="")
