"""What must be true of the files of the project as such."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

CODE = ("codec", "storage", "daemon", "scripts")


def tracked(root: Path) -> list[Path]:
    """Every text file that git tracks."""
    if not (root / ".git").exists():
        pytest.skip("not a git checkout")
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True).stdout
    paths = [root / name.decode() for name in listing.split(b"\0") if name]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()]


def modules(root: Path, *folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (root / folder).rglob("*.py"))


def project(root: Path) -> dict[str, object]:
    with (root / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)


def test_version_is_written_once(root: Path) -> None:
    version = re.escape(project(root)["project"]["version"])  # type: ignore[index]
    places = [path.relative_to(root) for path in modules(root, *CODE) if re.search(rf"(?<![\d.]){version}(?![\d.])", path.read_text())]
    assert not places, "the version is asked of importlib.metadata, not written again"
    assert re.search(rf"^## {version}\b", (root / "CHANGELOG.md").read_text(), re.MULTILINE), "the changelog knows no such version"


def test_nothing_is_left_behind(root: Path) -> None:
    # The words are put together here so that this file does not contain them.
    words = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX|Not" + r"ImplementedError)\b")
    left = [
        f"{path.relative_to(root)}: {found.group()}" for path in tracked(root) if (found := words.search(path.read_text(errors="replace")))
    ]
    assert not left


def test_no_machine_and_no_registry_is_named(root: Path) -> None:
    # The project is set up anywhere: a path of one machine or the address of one package index would tie it down.
    machine = r"/(?:work|root)/|/home/(?!anna\b|%i\b|me\b)[a-z]+"
    registry = r"(pypi|pythonhosted|download\.pytorch)\.org|(extra-)?index-url|find-links"
    banned = re.compile(f"{machine}|{registry}")
    found = [
        f"{path.relative_to(root)}:{number}: {match.group()}"
        for path in tracked(root)
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if (match := banned.search(line))
    ]
    assert not found


def test_modules_stay_small(root: Path) -> None:
    sizes = {path.relative_to(root): len(path.read_text().splitlines()) for path in modules(root, "codec", "storage", "daemon")}
    assert not {path: lines for path, lines in sizes.items() if lines > 400}
    assert sorted(sizes.values())[len(sizes) // 2] < 200


def test_tests_are_no_packages(root: Path) -> None:
    # tests/codec/__init__.py would shadow codec.
    assert not list((root / "tests").rglob("__init__.py"))


def test_every_package_is_listed(root: Path) -> None:
    listed = set(project(root)["tool"]["setuptools"]["packages"])  # type: ignore[index]
    there = {
        ".".join(path.parent.relative_to(root).parts)
        for package in ("codec", "storage", "daemon")
        for path in (root / package).rglob("*.py")
    }
    assert listed == there


CHANGES_THE_DISK = frozenset(
    (
        "rename",
        "renames",
        "replace",
        "unlink",
        "remove",
        "rmdir",
        "removedirs",
        "link",
        "symlink",
        "truncate",
        "rmtree",
        "move",
        "hardlink_to",
    )
)
"""Calls on `os`, `shutil` or a path that take something away; `str.replace` and `list.remove` share two of the names."""


def takes_away(call: ast.Call) -> bool:
    function = call.func
    if not isinstance(function, ast.Attribute) or function.attr not in CHANGES_THE_DISK:
        return False
    owner = function.value
    if isinstance(owner, ast.Name) and owner.id in ("os", "shutil"):
        return True
    # On an object, those that a string, list or dataclass helper can't mean.
    return function.attr in ("unlink", "rename", "rmdir", "rmtree", "hardlink_to") or (
        function.attr == "replace" and len(call.args) == 1 and not call.keywords
    )


def test_only_durable_takes_files_away(root: Path) -> None:
    found = [
        f"{path.relative_to(root)}:{node.lineno}: {ast.unparse(node)}"
        for path in modules(root, "codec", "storage", "daemon")
        if path.relative_to(root).as_posix() != "storage/durable.py" and "codec/training" not in path.as_posix()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and takes_away(node)
    ]
    assert not found, "every rename, replace and removal goes through storage/durable.py"
