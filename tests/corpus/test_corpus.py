"""The shared corpus, file by file: archived and back again, or left alone for a documented reason."""

import os
from collections import defaultdict
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
    """Of each category the smallest tenth, at least one: always the same files, and every kind of them."""
    by_category: dict[str, list[Entry]] = defaultdict(list)
    for entry in files:
        by_category[entry.category].append(entry)
    return [entry for found in by_category.values() for entry in sorted(found, key=lambda each: each.size)[: -(-len(found) // 10)]]


def test_a_tenth_of_the_files(shared: Path, tmp_path: Path) -> None:
    check(shared, tmp_path, tenth)


@pytest.mark.slow
def test_every_file(shared: Path, tmp_path: Path) -> None:
    """CORPUS_ONLY chooses files by parts of their names, separated by commas."""
    only = os.environ.get("CORPUS_ONLY", "").split(",")
    check(shared, tmp_path, lambda files: [entry for entry in files if any(part in entry.name for part in only)])
