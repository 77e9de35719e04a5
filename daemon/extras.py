"""What only some need, and is installed only where it is wanted: how this installation comes to it."""

import re
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

NAME = "gallery-optimizer"


def how_to_install(extra: str) -> str:
    """The rest of a sentence: a command that can be pasted, for the environment that this program runs in."""
    needs = " ".join(f'"{each}"' for each in packages(extra))
    if not needs:
        return f'install it with the extra "{extra}", in the checkout: pip install ".[{extra}]".'
    if sys.prefix == sys.base_prefix and Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED").is_file():
        return f"install {needs} as your system installs packages for {sys.executable}."
    return f"install it where this program is: {sys.executable} -m pip install {needs}"


def packages(extra: str) -> list[str]:
    """With their lowest versions, as this installation's own metadata say; empty where they do not know of the extra."""
    try:
        lines = requires(NAME) or []
    except PackageNotFoundError:  # it runs from a checkout
        return []
    found = (re.fullmatch(rf"(.*?)\s*;\s*extra == ['\"]{re.escape(extra)}['\"]", line) for line in lines)
    return [each[1] for each in found if each is not None]
