"""What the documents say must be what is there."""

import re
import tomllib
from pathlib import Path

import click
import pytest


def read(root: Path, name: str) -> str:
    return (root / name).read_text(encoding="utf-8")


def test_first_screen_has_the_two_commands(root: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", read(root, "Makefile"), re.MULTILINE))
    first_screen = "\n".join(read(root, "README.md").splitlines()[:45])
    named = set(re.findall(r"^ *make ([a-z-]+)", first_screen, re.MULTILINE))
    assert {"run", "test"} <= named <= targets


def test_make_targets_named_in_documents_exist(root: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", read(root, "Makefile"), re.MULTILINE))
    for document in [root / "README.md", root / "CONTRIBUTING.md", *(root / "docs").glob("*.md")]:
        named = set(re.findall(r"`make ([a-z-]+)", document.read_text(encoding="utf-8")))
        assert named <= targets, f"{document.name}: {sorted(named - targets)}"


def commands_below(command: click.Command, *path: str) -> list[tuple[str, ...]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        names = command.list_commands(context)
        found = [(name, command.get_command(context, name)) for name in names]
        return [line for name, child in found if child is not None and not child.hidden for line in commands_below(child, *path, name)]
    return [path]


@pytest.fixture(scope="module")
def commands() -> list[str]:
    from daemon.cli import main

    group = next(value for value in vars(main).values() if isinstance(value, click.Group))
    return [" ".join(path) for path in commands_below(group)]


def test_every_command_is_in_the_readme_and_explained(root: Path, commands: list[str]) -> None:
    assert commands
    readme, reference = read(root, "README.md"), read(root, "docs/reference.md")
    for command in commands:
        head, *rest = command.split()
        said = re.compile(rf"\b{re.escape(head)}\b" + "".join(rf"[^\n]*\b{re.escape(word)}\b" for word in rest))
        assert said.search(readme), f"README.md does not mention `{command}`"
        assert re.search(rf"^    gallery-optimizer {re.escape(head)}\b", readme, re.MULTILINE), f"no line of README.md shows `{head}`"
        assert said.search(reference), f"docs/reference.md does not mention `{command}`"


def test_documents_link_to_files_that_exist(root: Path) -> None:
    for document in [*root.glob("*.md"), *(root / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name} links to {target}"


def anchors(text: str) -> set[str]:
    """The names that a forge gives to the headings of a document."""
    bare = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^#+ (.*)$", bare, re.MULTILINE)}


def test_documents_link_to_headings_that_exist(root: Path) -> None:
    for document in [*root.glob("*.md"), *(root / "docs").glob("*.md")]:
        for target, anchor in re.findall(r"\]\(([^)#]*)#([^)]*)\)", document.read_text(encoding="utf-8")):
            if "://" not in target:
                there = anchors((document.parent / target if target else document).read_text(encoding="utf-8"))
                assert anchor in there, f"{document.name} links to {target}#{anchor}"


def test_every_dependency_has_its_reason(root: Path) -> None:
    project = tomllib.loads(read(root, "pyproject.toml"))["project"]
    asked = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    names = {re.split(r"[<>=!~\[; ]", line)[0].lower() for line in asked} - {"gallery-optimizer"}  # one extra may name another
    reasons = set(re.findall(r"^\| `([^`]+)` \|", read(root, "docs/source.md"), re.MULTILINE))
    assert names == reasons
    pinned = {line.split("==")[0].lower() for line in read(root, "constraints.txt").splitlines() if "==" in line}
    assert names <= pinned, f"constraints.txt pins no {sorted(names - pinned)}"


def test_the_tree_is_the_tree(root: Path) -> None:
    """Every module drawn in docs/design.md exists, and every module is drawn."""
    drawing = re.search(r"```tree\n(.*?)```", read(root, "docs/design.md"), re.DOTALL)
    assert drawing is not None
    drawn: set[str] = set()
    package = ""
    for line in drawing.group(1).splitlines():
        if (heading := re.match(r"(\w+)/", line)) is not None:
            package = heading.group(1)
        elif (module := re.match(r"  ([\w/]+\.py)\b", line)) is not None:
            drawn.add(f"{package}/{module.group(1)}")
    there = {
        path.relative_to(root).as_posix()
        for name in ("codec", "storage", "daemon")
        for path in (root / name).rglob("*.py")
        if path.name != "__init__.py"
    }
    assert drawn == there, f"not drawn: {sorted(there - drawn)}; not there: {sorted(drawn - there)}"
