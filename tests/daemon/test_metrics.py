"""Figures for Prometheus."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from daemon import metrics
from daemon.report import NOTHING
from storage.states import State

if TYPE_CHECKING:
    from tests.daemon.conftest import Home

Photo = Callable[..., bytes]


def test_figures_for_prometheus(run: Callable[..., Result], home: Home, photo: Photo) -> None:
    target = home.root.parent / "textfile" / "gallery.prom"
    target.parent.mkdir()
    home.configure(limits=f'[report]\ntextfile = "{target}"')
    (home.root / "a.jpg").write_bytes(photo())
    assert home.optimize().archived == 1
    text = target.read_text()
    assert target.stat().st_mode & 0o777 == 0o644
    assert f'gallery_optimizer_photos{{gallery="{home.root}",state="retired"}} 1' in text
    assert "gallery_optimizer_last_run_archived_photos 1" in text
    assert run("status", "--prometheus").stdout == text
    for line in text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) \S+ .+|[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? -?[0-9.e+]+', line), line
    target.parent.chmod(0o755)
    home.configure(limits='[report]\ntextfile = "/nowhere/at/all.prom"')
    (home.root / "b.jpg").write_bytes(photo(1))
    assert home.optimize().archived == 1, "a file that can't be written stops nothing"


def test_the_file_for_prometheus_takes_nobodys_place(home: Home, photo: Photo, caplog: pytest.LogCaptureFixture) -> None:
    target = home.root.parent / "keepsake.jpg"
    target.write_bytes(photo(5))
    home.configure(limits=f'[report]\ntextfile = "{target}"')
    (home.root / "a.jpg").write_bytes(photo())
    assert home.optimize().archived == 1
    assert target.read_bytes() == photo(5)
    assert "holds something else; it stays as it is" in caplog.text
    target.write_bytes(b"")
    (home.root / "b.jpg").write_bytes(photo(1))
    assert home.optimize().archived == 1
    assert target.read_text().startswith("# HELP gallery_optimizer_")


def test_names_are_quoted_for_prometheus() -> None:
    assert 'gallery="a\\"b\\\\c\\nd"' in metrics.text([('a"b\\c\nd', NOTHING)], [])
    assert State.RETIRED.value in metrics.text([("a", NOTHING)], [])
