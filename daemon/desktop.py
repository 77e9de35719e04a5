"""Entries for file managers: a right click gives a photo back, and archives have thumbnails. Files in the user's own folders (XDG).

Nautilus runs programs out of a folder, Dolphin reads service menus, Thunar one list of actions that others share; all read thumbnailers and
MIME types from the same places.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, SubElement, indent, tostring

from daemon.errors import CommandFailed, NothingToDo
from daemon.places import Places
from storage import durable
from storage.digest import read_once
from storage.errors import Missing, StorageError, shown

NAME = "gallery-optimizer"
MIME_TYPE = "application/x-nphoto"
_LABEL = "Restore the full photo"
_UNIQUE = f"{NAME}-restore"

_SCRIPT = """\
#!/bin/sh
# Written by gallery-optimizer service install --desktop: gives the selected photos back, in place.
said=$({program} restore -- "$@" 2>&1)
code=$?
if command -v notify-send >/dev/null 2>&1; then
    notify-send --app-name=gallery-optimizer "Photos" "$(printf '%s' "$said" | tail -n 4)"
fi
exit $code
"""
_SERVICE_MENU = """\
[Desktop Entry]
Type=Service
Name={label}
X-KDE-ServiceTypes=KonqPopupMenu/Plugin
MimeType=image/jpeg;image/png;inode/directory;
Actions=restore
X-KDE-Priority=TopLevel

[Desktop Action restore]
Name={label}
Icon=edit-undo
Exec={script} %F
"""
_THUMBNAILER = """\
[Thumbnailer Entry]
TryExec={program}
Exec={command} thumbnail %i %o %s
MimeType={mime};
"""
_MIME = f"""\
<?xml version="1.0" encoding="UTF-8"?>
<mime-info xmlns="http://www.freedesktop.org/standards/shared-mime-info">
  <mime-type type="{MIME_TYPE}">
    <comment>Archived photo</comment>
    <generic-icon name="image-x-generic"/>
    <magic priority="80"><match type="string" offset="0" value="\\x9eNPH\\x0d\\x0a\\x1a\\x0a"/></magic>
    <glob pattern="*.nphoto"/>
  </mime-type>
</mime-info>
"""


def files(program: Path, data: Path, own: Places | None = None) -> Iterator[tuple[Path, str, int]]:
    """(path, text, mode) of every file that is ours alone, below the user's data folder. `own`: places that were given on the command
    line, None for the usual ones."""
    words = [program, *([] if own is None else [Path("--config"), own.config_file, Path("--state"), own.state_folder])]
    script = data / "nautilus/scripts" / _LABEL
    yield script, _SCRIPT.format(program=shlex.join(map(str, words))), 0o755
    menu = _SERVICE_MENU.format(label=_LABEL, script=_word(script))
    yield data / f"kio/servicemenus/{_UNIQUE}.desktop", menu, 0o755
    thumbnailer = _THUMBNAILER.format(program=_word(program), command=" ".join(map(_word, words)), mime=MIME_TYPE)
    yield data / f"thumbnailers/{NAME}.thumbnailer", thumbnailer, 0o644
    yield data / f"mime/packages/{NAME}.xml", _MIME, 0o644


def install(program: Path, own: Places | None = None) -> list[str]:
    """Write everything; what was done, for people. `own` as `files` has it. Raises CommandFailed."""
    data, config = _folders()
    told = []
    for path, text, mode in files(program, data, own):
        _write(path, text.encode(), mode)
        told.append(f"Written: {path}")
    actions = config / "Thunar/uca.xml"
    _write(actions, with_action(_read(actions), data / "nautilus/scripts" / _LABEL), 0o644)
    told.append(f"Written: {actions} (one action more)")
    _update_mime_types(data)
    return told


def uninstall() -> list[str]:
    """Remove what `install` wrote; what was done, for people. Raises CommandFailed."""
    data, config = _folders()
    told = []
    for path, _, _ in files(Path(NAME), data):
        if path.exists():
            durable.remove(path)
            told.append(f"Removed: {path}")
    actions = config / "Thunar/uca.xml"
    before = _read(actions)
    if before and _UNIQUE.encode() in before:
        _write(actions, without_action(before), 0o644)
        told.append(f"Taken out of {actions}")
    if not told:
        raise NothingToDo("there are no entries of this program.")
    _update_mime_types(data)
    return told


def with_action(actions: bytes, script: Path) -> bytes:
    """Thunar's list with our action, which takes the place of an earlier one. Raises CommandFailed for a list that can't be read."""
    root = _parsed(actions)
    _take_out(root)
    action = SubElement(root, "action")
    fields = {
        "icon": "edit-undo",
        "name": _LABEL,
        "unique-id": _UNIQUE,
        "command": f"{shlex.quote(str(script))} %F",
        "description": "In place, by gallery-optimizer",
        "patterns": "*",
    }
    for name, text in fields.items():
        SubElement(action, name).text = text
    for kind in ("directories", "image-files"):
        SubElement(action, kind)
    return _written(root)


def without_action(actions: bytes) -> bytes:
    """Thunar's list without our action. Raises CommandFailed for a list that can't be read."""
    root = _parsed(actions)
    _take_out(root)
    return _written(root)


def _parsed(actions: bytes) -> Element:
    from defusedxml.ElementTree import fromstring

    if not actions.strip():
        return Element("actions")
    try:
        root: Element = fromstring(actions)
    except (ParseError, ValueError) as error:
        raise CommandFailed(f"Thunar's list of actions (uca.xml) can't be read ({error}); it stays as it is.") from error
    return root


def _take_out(root: Element) -> None:
    for action in [each for each in root.findall("action") if each.findtext("unique-id") == _UNIQUE]:
        root.remove(action)


def _written(root: Element) -> bytes:
    indent(root, "\t")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + bytes(tostring(root, encoding="utf-8", xml_declaration=False)) + b"\n"


def _folders() -> tuple[Path, Path]:
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    config = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(data).expanduser(), Path(config).expanduser()


def _word(path: Path) -> str:
    """A path in the Exec line of a desktop entry: quoted where it has to be, and % begins a field code."""
    text = str(path).replace("%", "%%")
    if not any(each in text for each in " \t\"'\\><~|&;$*?#()`"):
        return text
    for each in ("\\", '"', "`", "$"):
        text = text.replace(each, "\\" + each)
    return '"' + text.replace("\\", "\\\\") + '"'


def _read(path: Path) -> bytes:
    try:
        return read_once(path).data
    except Missing:
        return b""
    except StorageError as error:
        raise CommandFailed(f"{shown(path)} can't be read: {error}") from error


def _write(path: Path, data: bytes, mode: int) -> None:
    try:
        durable.make_folders(path.parent)
        durable.write_over(path, data)
        path.chmod(mode)
    except (StorageError, OSError) as error:
        raise CommandFailed(f"{shown(path)} can't be written: {error}") from error


def _update_mime_types(data: Path) -> None:
    """So that file managers know the type at once; where the tool is missing, after the next log-in."""
    if shutil.which("update-mime-database"):
        subprocess.run(["update-mime-database", data / "mime"], check=False, capture_output=True)
