"""The configuration: every key read with its unit, every mistake told with its line."""

import math
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from daemon.config_template import template
from daemon.errors import Misconfigured, NoGallery, WrongPath
from daemon.exits import ExitCode
from daemon.keys import KEYS
from daemon.places import Places, home_folder
from daemon.settings import changes, parse, read, said_outside, variable_of

MINIMAL = '[[gallery]]\npath = "/photos"\n'


def test_defaults_are_those_of_the_documentation() -> None:
    found = parse(MINIMAL, "c.toml")
    (gallery,) = found.galleries
    assert gallery.path == Path("/photos")
    assert (gallery.quality, gallery.stand_in, gallery.exclude) == ("high", "preview", ())
    assert (gallery.idle_for, gallery.grace) == (timedelta(days=30), timedelta(days=7))
    assert (found.limits.min_saving, found.limits.workers, found.limits.memory_bytes) == (0.2, 1, 2_000_000_000)


def test_what_people_write_is_understood(sealed_home: Path) -> None:
    text = """
    [[gallery]]
    path = "~/DCIM"
    quality = "compact"
    stand_in = "none"
    idle_for = "12 hours"
    exclude = ["**/Screenshots/**", "*.png"]
    grace = "0 days"
    [[gallery]]
    path = "/other"
    [limits]
    min_saving = "off"
    memory = "1.5 GB"
    """
    found = parse(text, "c.toml")
    first = found.galleries[0]
    assert first.path == sealed_home / "DCIM"
    assert (first.idle_for, first.grace) == (timedelta(hours=12), timedelta(0))
    assert first.exclude == ("**/Screenshots/**", "*.png")
    assert found.galleries[1].quality == "high"
    assert found.limits.min_saving == -math.inf
    assert found.limits.memory_bytes == 1_500_000_000


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (MINIMAL + 'qualty = "high"\n', 3, "did you mean quality"),
        (MINIMAL + "\n" + MINIMAL.replace("photos", "b") + 'grace = "x"\n', 6, "unit"),
        (MINIMAL + "grace = 7\n", 3, "text in quotes"),
        (MINIMAL.replace("/photos", "/"), 2, "whole computer"),
        (MINIMAL.replace("/photos", "/photos/.."), 2, "whole computer"),
        (MINIMAL.replace("/photos", "/photos/.gallery-optimizer"), 2, "lies in a vault"),
        (MINIMAL.replace("/photos", ""), 2, "is empty"),
        (MINIMAL.replace("/photos", "~nobodyofthatname/DCIM"), 2, "home folder: ~nobodyofthatname"),
        (MINIMAL + 'grace = "7"\n', 3, "unit"),
        (MINIMAL + 'idle_for = "3 elephants"\n', 3, "duration"),
        (MINIMAL + 'quality = "best"\n', 3, "visually-lossless"),
        (MINIMAL + 'exclude = "*.png"\n', 3, "list of patterns"),
        (MINIMAL + '[safety]\nreserve = "2 GB"\n', 4, "from"),
        (MINIMAL + '[schedule]\nwindow = "1-6"\n', 4, "two times of day"),
        (MINIMAL + '[schedule]\nwindow = "25:00-06:00"\n', 4, "no such time"),
        (MINIMAL + '[schedule]\nwindow = "01:00-01:00"\n', 4, "always"),
        (MINIMAL + "[schedule]\nonly_on_ac_power = 1\n", 4, "true or false"),
        (MINIMAL + "[schedule]\nmax_load = 70\n", 4, "from 0 to 1"),
        (MINIMAL + '[schedule]\nmin_battery = "half"\n', 4, "share"),
        (MINIMAL + "[schedule]\nnightly_files = 0\n", 4, "at least 1"),
        (MINIMAL + '[schedule]\nnightly_budget = "much"\n', 4, "unit"),
        (MINIMAL + '[schedule]\nstart_when_free_below = "120%"\n', 4, "share"),
        (MINIMAL + 'prefetch = ""\n', 3, "0 to 20"),
        (MINIMAL + 'requests = "a/b"\n', 3, "without a slash"),
        (MINIMAL + 'backup_check = "in-backup"\n', 3, "whole path"),
        (MINIMAL + 'backup_check = "/bin/x \'y"\n', 3, "closing quotation"),
        (MINIMAL + 'one_copy = "yes"\n', 3, "true or false"),
        (MINIMAL + "two_way_sync = true\n", 3, "stand-ins travel"),
        (MINIMAL + '[limits]\nmin_saving_lossless = "5"\n', 4, "share"),
        (MINIMAL + '[limits]\nmin_saving = "120%"\n', 4, "share"),
        (MINIMAL + "[limits]\nmin_saving = 20\n", 4, "text in quotes"),
        (MINIMAL + "[limits]\nworkers = 4\n", 4, "not supported in this version"),
        (MINIMAL + "[limits]\nworkers = true\n", 4, "whole number"),
        (MINIMAL + '[limits]\nmemory = "10 MB"\n', 4, "at least"),
        (MINIMAL + '[limits]\nmemory = "much"\n', 4, "unit"),
        (MINIMAL + f'[limits]\nmemory = "{"9" * 20} GB"\n', 4, "at most"),
        (MINIMAL + f'[schedule]\nnightly_budget = "{"9" * 400} GB"\n', 4, "at most"),
        (MINIMAL + 'grace = "3000000 days"\n', 3, "at most 1000 years"),
        (MINIMAL + f'idle_for = "{"9" * 400} days"\n', 3, "at most 1000 years"),
        (MINIMAL + "[schedule]\nmax_load = nan\n", 4, "from 0 to 1"),
        (MINIMAL + "[schedule]\nmin_battery = -inf\n", 4, "from 0 to 1"),
        (MINIMAL + "[schedule]\nmax_load = true\n", 4, "from 0 to 1"),
        (MINIMAL + "[schedule]\nnightly_files = inf\n", 4, "at least 1"),
        (MINIMAL + "prefetch = -1\n", 3, "0 to 20"),
        (MINIMAL + '[limit]\nmemory = "2 GB"\n', 3, "did you mean limits"),
        ("colour = 1\n" + MINIMAL, 1, "unknown"),
        ('[gallery]\npath = "/photos"\n', 1, "two brackets"),
        ("[[gallery]]\n", 1, "path is missing"),
        ('[[gallery]]\npath = "photos"\n', 2, "whole path"),
        (MINIMAL + '[[gallery]]\npath = "/photos/2021"\n', 4, "overlap"),
        (MINIMAL + "\nlimits = 3\n", 4, "unknown key limits"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, line: int, says: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        parse(text, "c.toml")
    assert caught.value.exit_code is ExitCode.USAGE
    assert says in str(caught.value)
    assert f"c.toml, line {line}:" in str(caught.value)


def test_every_mistake_is_told_at_once_in_the_order_of_the_lines() -> None:
    text = MINIMAL + 'qualty = "high"\ngrace = "7"\nwindow = "always"\n[limits]\nmemory = 2\n[schedul]\n'
    with pytest.raises(Misconfigured) as caught:
        parse(text, "c.toml")
    told = str(caught.value)
    assert [int(line.split(",")[1].split()[1][:-1]) for line in told.splitlines() if line.startswith("c.toml")] == [3, 4, 5, 7, 8]
    assert '    grace = "7"' in told.splitlines(), "the line itself"
    assert 'for example: grace = "7 days"' in told
    assert "it belongs into [schedule]" in told
    assert "did you mean schedule" in told


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("grace = 7 days", 'grace = "7 days"'),
        ("quality = high", 'quality = "high"'),
        ('grace = "7 days', "quotation mark"),
        ("[schedule", "not valid TOML"),
        ('path = "/other"', "twice"),
    ],
)
def test_what_is_no_toml_is_explained(line: str, says: str) -> None:
    with pytest.raises(Misconfigured, match=r"c\.toml, line 3") as caught:
        parse(MINIMAL + line + "\n", "c.toml")
    assert says in str(caught.value)
    assert f"    {line}" in str(caught.value)


def test_a_level_that_is_misspelt() -> None:
    with pytest.raises(Misconfigured, match='did you mean "visually-lossless"'):
        parse(MINIMAL + 'quality = "visualy-lossless"\n', "c.toml")


def test_what_is_said_outside_wins_over_the_file() -> None:
    environment = {
        "GALLERY_OPTIMIZER_SCHEDULE_WINDOW": "always",
        "GALLERY_OPTIMIZER_GALLERY_GRACE": "2 days",
        "GALLERY_OPTIMIZER_GALLERY_EXCLUDE": '["a/**"]',
        "GALLERY_OPTIMIZER_SCHEDULE_ONLY_ON_AC_POWER": "false",
        "GALLERY_OPTIMIZER_CONFIG": "/x",
        "HOME": "/x",
    }
    found = parse(MINIMAL + 'grace = "9 days"\n', "c.toml", said_outside(environment))
    assert str(found.schedule.window) == "always"
    assert found.galleries[0].grace == timedelta(days=2)
    assert found.galleries[0].exclude == ("a/**",)
    assert not found.schedule.only_on_ac_power
    with pytest.raises(Misconfigured, match="GALLERY_OPTIMIZER_GALLERY_GRACE: grace = '2': must be a number with a unit"):
        parse(MINIMAL, "c.toml", said_outside({"GALLERY_OPTIMIZER_GALLERY_GRACE": "2"}))


def test_a_key_has_one_variable_and_no_two_the_same() -> None:
    names = [variable_of(key) for key in KEYS]
    assert len(set(names)) == len(names)
    assert not {"GALLERY_OPTIMIZER_CONFIG", "GALLERY_OPTIMIZER_STATE", "GALLERY_OPTIMIZER_BACKEND"} & set(names)


def test_broken_toml_names_the_place() -> None:
    with pytest.raises(Misconfigured, match="line 2"):
        parse('[[gallery]]\npath = "/photos\n', "c.toml")


def test_a_windows_editors_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert read(file).galleries[0].path == Path("/photos")


def test_a_byte_that_is_no_text_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_bytes(b'[[gallery]]\npath = "/caf\xe9"\n')
    with pytest.raises(Misconfigured, match=r"c\.toml, line 2: .*0xe9"):
        read(file)


def test_without_a_home_folder_places_have_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(path: str) -> str:
        return path

    monkeypatch.setattr("os.path.expanduser", homeless)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    with pytest.raises(WrongPath, match="--config and --state"):
        Places.find(None, None, {})
    assert Places.find(Path("/c.toml"), Path("/s"), {}).state_folder == Path("/s")
    with pytest.raises(WrongPath, match="no folder"):  # a status read there said that all is paused
        Places.find(Path("/c.toml"), None, {"GALLERY_OPTIMIZER_STATE": __file__})
    assert not home_folder().exists()
    with pytest.raises(Misconfigured, match="home folder"):
        parse('[[gallery]]\npath = "~/DCIM"\n', "c.toml")


def test_no_file_and_no_gallery_say_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(NoGallery, match="config init") as caught:
        read(tmp_path / "none.toml")
    assert caught.value.exit_code is ExitCode.NO_GALLERY
    with pytest.raises(NoGallery, match="no \\[\\[gallery\\]\\]"):
        parse("", "c.toml")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00", exclude_categories=["Cc"]), min_size=1, max_size=30))
def test_the_template_is_a_configuration_with_the_defaults(name: str) -> None:
    assume(name.strip("/."))  # the root of all folders is refused
    folder = Path("/photos") / name
    assume(".gallery-optimizer" not in folder.parts)  # a vault is refused
    found = parse(template(folder), "c.toml")
    assert found == parse(MINIMAL.replace('"/photos"', repr_toml(str(folder).strip())), "c.toml")


def repr_toml(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)


def test_every_line_of_the_template_is_right_when_its_mark_is_taken_away() -> None:
    lines = [line.removeprefix("# ") if " = " in line else line for line in template().splitlines()]
    found = parse("\n".join(lines), "c.toml")
    assert found.limits == parse(MINIMAL, "c.toml").limits


def test_the_option_wins_over_the_environment_and_that_over_xdg(sealed_home: Path, tmp_path: Path) -> None:
    environment = {"GALLERY_OPTIMIZER_CONFIG": "/e/config.toml", "GALLERY_OPTIMIZER_STATE": ""}
    assert Places.find(Path("/o.toml"), None, environment).config_file == Path("/o.toml")
    found = Places.find(None, None, environment)
    assert found.config_file == Path("/e/config.toml")
    assert found.state_folder == sealed_home / ".local/state/gallery-optimizer"
    assert found.catalog_file.parent == found.lock_file.parent == found.state_folder


def test_what_a_reload_changed_is_told_as_it_would_be_written() -> None:
    gallery = '[[gallery]]\npath = "/photos"\n'
    before = parse(gallery, "c.toml")
    after = parse(
        gallery
        + 'grace = "1 day"\n'
        + 'quiet = "90 minutes"\nkeep = ["Best of/**"]\none_copy = true\nrequests = "off"\nbackup_check = "/bin/check it"\n'
        + '[schedule]\nwindow = "always"\nnightly_budget = "off"\nnightly_files = 20\nstart_when_free_below = "5%"\nmax_load = 0.5\n'
        + '[limits]\nmin_saving = "off"\nmemory = "3 GB"\n[report]\ntextfile = "/var/x.prom"\n[safety]\nreserve = "off"\n',
        "c.toml",
    )
    assert changes(before, after) == [
        "gallery /photos.quiet: 2 minutes -> 1 hour and 30 minutes",
        "gallery /photos.keep: [] -> ['Best of/**']",
        "gallery /photos.grace: 7 days -> 1 day",
        "gallery /photos.requests: Restore -> off",
        "gallery /photos.one_copy: false -> true",
        'gallery /photos.backup_check: "" -> /bin/check it',
        "schedule.window: 01:00-06:00 -> always",
        "schedule.max_load: 0.7 -> 0.5",
        "schedule.nightly_budget: 2 GB -> off",
        "schedule.nightly_files: off -> 20",
        "schedule.start_when_free_below: off -> 5%",
        "limits.min_saving: 20% -> off",
        "limits.memory: 2 GB -> 3 GB",
        'report.textfile: "" -> /var/x.prom',
        "safety.reserve: 16 MB -> off",
    ]
    assert changes(before, before) == []
    elsewhere = parse(gallery.replace("/photos", "/other"), "c.toml")
    assert changes(before, elsewhere) == ["no longer a gallery: /photos", "a new gallery: /other"]
