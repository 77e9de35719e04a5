"""The shared corpus, file by file: archived and back again, or left alone for a documented reason."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.corpus.manifest import Entry, entries
from tests.corpus.runner import Run, table

pytestmark = [pytest.mark.corpus, pytest.mark.filterwarnings("ignore")]


def check(shared: Path, tmp_path: Path, choose: Callable[[list[Entry]], list[Entry]]) -> None:
    corpus = shared / "corpus"
    results = Run(corpus, choose(entries(corpus)), tmp_path, lambda line: print(line, flush=True))()
    print(*table(results), sep="\n")
    wrong = [f"{result.entry.name}: {problem}" for result in results for problem in result.problems]
    assert not wrong, "\n".join(wrong)


def tenth(files: list[Entry]) -> list[Entry]:
    """Always the same: the smallest file of each category, and of these as many of the smallest as make a tenth of all."""
    smallest: dict[str, Entry] = {}
    for entry in sorted(files, key=lambda each: (each.size, each.name)):
        smallest.setdefault(entry.category, entry)
    return list(smallest.values())[: -(-len(files) // 10)]


def test_a_tenth_of_the_files(shared: Path, tmp_path: Path) -> None:
    check(shared, tmp_path, tenth)


@pytest.mark.slow
def test_every_file(shared: Path, tmp_path: Path) -> None:
    """CORPUS_ONLY chooses files by parts of their names, separated by commas."""
    only = os.environ.get("CORPUS_ONLY", "").split(",")
    check(shared, tmp_path, lambda files: [entry for entry in files if any(part in entry.name for part in only)])
