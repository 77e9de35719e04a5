"""docs/storage.md is made of tables that the code has too; they must agree."""

import re
from pathlib import Path

import pytest

from storage.catalog import Catalog
from storage.states import MOVES, State


@pytest.fixture(scope="module")
def text(root: Path) -> str:
    return (root / "docs" / "storage.md").read_text()


def table(text: str, first: str) -> list[list[str]]:
    """Cells of the table whose header starts with `first`."""
    lines = text[text.index(f"| {first} |") :].splitlines()
    found = []
    for line in lines[2:]:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def test_states(text: str) -> None:
    assert [row[0] for row in table(text, "state")] == [state.name for state in State]


def test_moves(text: str) -> None:
    moves = [[before.name if before else "(new)", after.name, sentence] for (before, after), sentence in MOVES.items()]
    assert table(text, "from") == moves


@pytest.mark.parametrize("name", ["photos", "copies", "runs", "vaults", "parities", "inspections", "sums", "archive_sums", "parity_sums"])
def test_columns(text: str, name: str) -> None:
    with Catalog(":memory:") as catalog:
        columns = [row[1] for row in catalog._connection.execute(f"PRAGMA table_info({name})")]
    section = text[text.index(f"### {name}\n") :]
    documented = [column for row in table(section, "column") for column in re.split(r",\s*", row[0])]
    assert sorted(documented) == sorted(columns)
