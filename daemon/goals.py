"""Folders that a user names for photos to go to: in no vault, and, where in a gallery, knowing what that means."""

import os
from collections.abc import Sequence
from pathlib import Path

from daemon.eligibility import passed_by
from daemon.errors import WrongPath
from daemon.galleries import Gallery, holding
from daemon.ignoring import Rules, Wishes
from daemon.places import real
from storage.errors import shown
from storage.layout import VAULT_NAME


def check_goal(folder: Path) -> None:
    """Raise WrongPath for a folder in a vault: nothing of the user's is safe there, and nothing of his belongs there."""
    if VAULT_NAME in real(folder).parts:
        raise WrongPath(f"{shown(folder)} is in a vault, which is the program's own; name another folder.")


def in_a_gallery(galleries: Sequence[Gallery], folder: Path) -> str:
    """What becomes of photos that are put there, where that is in a gallery and looked at; else empty."""
    where = real(folder)
    gallery = holding(list(galleries), where)
    if gallery is None:
        return ""
    name = os.fsencode((where / "a.jpg").relative_to(gallery.root))
    unseen = passed_by(name, Rules(gallery.settings.exclude)) is not None
    if unseen or Wishes.of(gallery.root, gallery.settings.keep, name.rpartition(b"/")[0]).reason(name) is not None:
        return ""
    return (
        f"{shown(folder)} lies in the gallery {shown(gallery.root)}: what is there now is archived again like every other photo of it. "
        "`restore` without --to leaves photos alone for a while; so does a folder outside."
    )
