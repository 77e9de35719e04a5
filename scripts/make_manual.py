"""Writes the man page and the shells' completions, all made from the parser: `make manual`. A test checks that they are current.

python scripts/make_manual.py [FOLDER]
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from daemon.cli.main import cli
from daemon.exits import MEANINGS
from daemon.keys import KEYS

NAME = "gallery-optimizer"
PAGE = f"docs/{NAME}.1"
COMPLETIONS = {"bash": f"completions/bash/{NAME}", "zsh": f"completions/zsh/_{NAME}", "fish": f"completions/fish/{NAME}.fish"}
WIDTH = 80

ENVIRONMENT = (
    ("GALLERY_OPTIMIZER_CONFIG", "The configuration file, where --config does not name one."),
    ("GALLERY_OPTIMIZER_STATE", "The state folder, where --state does not name one."),
    ("GALLERY_OPTIMIZER_TABLE_KEY", "A key of the configuration, such as GALLERY_OPTIMIZER_SCHEDULE_WINDOW; it wins over the file."),
    ("XDG_RUNTIME_DIR", "In it the running service has its socket; without it, in the state folder."),
)
FILES = (
    ("~/.config/gallery-optimizer/config.toml", "The configuration."),
    ("~/.local/state/gallery-optimizer/", "The catalogue, the locks, and a pause. A file named stop in it stops all work."),
    ("GALLERY/.gallery-optimizer/", "The vault: archives, originals in grace, and the models that the archives need. Back it up."),
)


def files() -> dict[str, str]:
    """Every file that is made, by its path in the project."""
    return {PAGE: page(), **{path: completion(shell) for shell, path in COMPLETIONS.items()}}


FISH = """\
function _gallery_optimizer_ask
    set -l line (commandline -cp | string collect)
    test "$line" = "$_gallery_optimizer_line"; and return
    set -g _gallery_optimizer_line $line
    set -g _gallery_optimizer_answers (env _GALLERY_OPTIMIZER_COMPLETE=fish_complete COMP_WORDS=(commandline -cp) \\
        COMP_CWORD=(commandline -t) gallery-optimizer)
end

function _gallery_optimizer_words
    _gallery_optimizer_ask
    for answer in $_gallery_optimizer_answers
        set -l parts (string split --max 1 , -- $answer)
        if test "$parts[1]" = plain
            echo $parts[2]
        else if test "$parts[1]" = dir; and not _gallery_optimizer_takes_paths
            __fish_complete_directories $parts[2]
        end
    end
end

function _gallery_optimizer_takes_paths
    _gallery_optimizer_ask
    string match -q 'file,*' -- $_gallery_optimizer_answers; and return
    # Of a path behind ~ or "=" only fish itself knows what it stands for: files are shown, too, where a folder is meant.
    string match -q 'dir,*' -- $_gallery_optimizer_answers; and string match -q -r '^[~-]' -- (commandline -t)
end

complete --command gallery-optimizer --no-files --arguments '(_gallery_optimizer_words)'
complete --command gallery-optimizer --condition _gallery_optimizer_takes_paths --force-files
"""
"""click's own cuts descriptions at their first comma, and knows no path that begins with ~ or stands behind "--to="."""


def completion(shell: str) -> str:
    """What the shell reads; it asks the program itself at every Tab."""
    if shell == "fish":
        return FISH
    found = get_completion_class(shell)
    if found is None:
        raise SystemExit(f"click knows no completion for {shell}")
    return found(cli, {}, NAME, "_" + NAME.replace("-", "_").upper() + "_COMPLETE").source().rstrip("\n") + "\n"


def page() -> str:
    return "\n".join(_page()) + "\n"


def _page() -> Iterator[str]:
    context = click.Context(cli, info_name=NAME)
    yield f'.\\" Made by scripts/make_manual.py from the parser. Do not edit.\n.TH {NAME.upper()} 1'
    yield f".SH NAME\n{_text(NAME)} \\- make room in photo galleries, and give any photo back"
    yield f".SH SYNOPSIS\n.B {_text(NAME)}\n[\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIARGS\\fR]"
    yield ".SH DESCRIPTION"
    yield from _paragraphs(cli.help or "")
    yield ".SH OPTIONS"
    yield from _options(cli, context)
    yield ".SH COMMANDS"
    for path, command in _commands(cli, context):
        below = click.Context(command, info_name=" ".join(path), parent=context)
        words = " ".join(command.collect_usage_pieces(below))
        yield f".SS {_text(' '.join(path))} {_text(words)}"
        yield from _paragraphs(command.help or "")
        yield from _options(command, below)
    yield ".SH CONFIGURATION"
    yield "TOML. Each gallery is a table [[gallery]]; the others stand once. Keys, with their defaults:"
    table = ""
    for key in KEYS:
        if key.table != table:
            table = key.table
            yield f".SS {_text('[[gallery]]' if table == 'gallery' else f'[{table}]')}"
        yield f".TP\n.B {_text(key.name)} = {_text(key.default or key.example)}\n{_text(key.meaning[:1].upper() + key.meaning[1:])}."
    yield ".SH EXIT STATUS"
    for code, meaning in MEANINGS.items():
        yield f".TP\n.B {code.value}\n{_text(meaning[:1].upper() + meaning[1:])}."
    for header, entries in (("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES)):
        yield f".SH {header}"
        for name, meaning in entries:
            yield f".TP\n.I {_text(name)}\n{_text(meaning)}"
    yield f".SH SEE ALSO\nThe handbook, operations.md, and every table, reference.md, in share/doc/{_text(NAME)}."


def _commands(group: click.Group, context: click.Context, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _commands(command, context, (*path, name))
        elif command is not None and not command.hidden:
            yield (*path, name), command


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        found = parameter.get_help_record(context)
        if found is not None and isinstance(parameter, click.Option) and "--help" not in found[0]:
            yield f".TP\n.B {_text(found[0])}\n{_text(found[1])}"


def _paragraphs(help_text: str) -> Iterator[str]:
    text = re.sub(r"[ \t]*\n[ \t]*", "\n", help_text.strip()).replace("\b", "")
    for number, paragraph in enumerate(text.split("\n\n")):
        yield (".PP\n" if number else "") + _text(" ".join(paragraph.split("\n")))


def _text(text: str) -> str:
    """Plain text as roff reads it: no backslash, hyphen, dot or quote of it means anything."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    return "\\&" + text if text[:1] in (".", "'") else text


def main() -> None:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent
    for name, content in files().items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")
        print(root / name)


if __name__ == "__main__":
    main()
