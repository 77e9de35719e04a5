"""The shared corpus, file by file: archived and back again, or left alone for a documented reason."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.corpus.runner import Entry, Run, entries, table

pytestmark = [pytest.mark.corpus, pytest.mark.filterwarnings("ignore")]


def check(shared: Path, tmp_path: Path, chosen: Callable[[int, Entry], bool]) -> None:
    corpus = shared / "corpus"
    files = [entry for number, entry in enumerate(entries(corpus)) if chosen(number, entry)]
    results = Run(corpus, files, tmp_path, lambda line: print(line, flush=True))()
    print(*table(results), sep="\n")
    wrong = [f"{result.entry.name}: {problem}" for result in results for problem in result.problems]
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
def test_every_file(shared: Path, tmp_path: Path) -> None:
    only = os.environ.get("CORPUS_ONLY", "").split(",")
    check(shared, tmp_path, lambda _, entry: any(part in entry.name for part in only))
