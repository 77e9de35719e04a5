"""`sync-guard`: which sync tools carry the galleries, and what is missing before anything may be archived there."""

from typing import TYPE_CHECKING, Any

import click

from daemon.cli.output import emit, entry, json_option, prose, say
from daemon.places import Places, is_folder

if TYPE_CHECKING:
    from daemon.galleries import Gallery
    from daemon.sync_guard import Guard


@click.command("sync-guard")
@click.option("--write-ignore", is_flag=True, help="Write the lines that are missing, so that no vault travels.")
@json_option
@click.pass_obj
def sync_guard(places: Places, write_ignore: bool, as_json: bool) -> None:
    """Say what sync tools around the galleries mean for them. Photo managers, too.

    Nothing is archived in a gallery that a sync tool carries both ways before its configuration says two_way_sync = "stand-ins travel",
    and before the tool is told to leave the vault alone. With --write-ignore it is told so: in Syncthing's .stignore, in Nextcloud's
    .sync-exclude.lst, in Resilio's .sync/IgnoreList, in MEGA's .megaignore, or by Dropbox's mark on the vault.
    """
    from daemon import settings
    from daemon.errors import GalleryGone, SyncRefused
    from daemon.galleries import all_of
    from daemon.sync_guard import guard
    from storage.errors import shown

    configured = all_of(settings.read(places.config_file))
    galleries = [each for each in configured if is_folder(each.root)]
    missing = [shown(each.root) for each in configured if each not in galleries]
    written: list[str] = []
    if write_ignore:
        for gallery in galleries:
            for line in guard(gallery.root, gallery.settings).lines:
                if not line.in_effect:
                    line.write()
                    written.append(line.proposal)
    found = [(gallery, guard(gallery.root, gallery.settings)) for gallery in galleries]
    if as_json:
        emit("sync-guard", written=written, missing_folders=missing, galleries=[_as_json(gallery, each) for gallery, each in found])
    else:
        for proposal in written:
            prose(f"Written: {proposal}.")
        for gallery, each in found:
            _tell(gallery, each)
        for folder in missing:
            say(f"{folder}: not there; what carries it can't be told.")
    if any(each.refusals for _, each in found):
        raise SyncRefused("not everything is set up; see above.")
    if missing:
        raise GalleryGone(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not there; is the disk mounted?")


def _tell(gallery: "Gallery", each: "Guard") -> None:
    from storage.errors import shown

    say(f"{shown(gallery.root)}: " + ("may be worked on." if not each.refusals else "nothing is written here."))
    if not each.roots:
        entry("  ", "no sync tool and no photo manager was recognised around it or in it")
    for root in each.roots:
        say(f"  {root.tool.value}: {shown(root.folder / root.marker)}")
    for line in each.lines:
        if line.in_effect:
            entry("  ", f"the vault stays here: {line.proposal}")
    for text in (*each.refusals, *each.notes):
        entry("  - ", text)


def _as_json(gallery: "Gallery", each: "Guard") -> dict[str, Any]:
    from storage.errors import shown

    return {
        "path": shown(gallery.root),
        "roots": [{"tool": root.tool.value, "folder": shown(root.folder), "marker": root.marker} for root in each.roots],
        "both_ways": [shown(root.folder) for root in each.both_ways],
        "ignore": [
            {"file": shown(line.file), "line": line.line, "in_effect": line.in_effect, "why_not": line.why_not or None}
            for line in each.lines
        ],
        "refused": list(each.refusals),
        "notes": list(each.notes),
    }
