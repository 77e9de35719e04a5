"""docs/reference.md and docs/operations.md say what the code does: commands, exit codes, keys, states and reasons, table by table."""

import ast
import re
from pathlib import Path

from daemon.cli.main import COMMANDS
from daemon.exits import MEANINGS
from daemon.keys import KEYS
from daemon.reasons import CHOICES, REASONS, in_words, sentence
from daemon.report import STATE_WORDS
from daemon.waits import WAITS

ROOT = Path(__file__).parents[2]


def table(header: str) -> list[list[str]]:
    """The rows of the table whose header line begins with these cells."""
    lines = [line for name in ("reference.md", "operations.md") for line in (ROOT / "docs" / name).read_text().splitlines()]
    at = next(index for index, line in enumerate(lines) if line.startswith(f"| {header} |"))
    rows = []
    for line in lines[at + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return rows


def test_exit_codes() -> None:
    assert table("code | meaning") == [[str(code.value), meaning] for code, meaning in MEANINGS.items()]


def test_keys() -> None:
    written = [[key.table, f"`{key.name}`", f"`{key.default}`" if key.default else "", key.unit, key.meaning] for key in KEYS]
    assert table("table | key | default | unit | meaning") == written


def test_states() -> None:
    assert table("state | `status` says") == [[state.value, words] for state, words in STATE_WORDS.items()]


def test_reasons() -> None:
    assert table("reason | meaning") == [[reason, meaning] for reason, meaning in REASONS.items()]


def test_choices() -> None:
    assert table("choice | meaning") == [[choice, meaning] for choice, meaning in CHOICES.items()]


def test_waits() -> None:
    assert table("waits | meaning") == [[reason, meaning] for reason, meaning in WAITS.items()]


def test_commands() -> None:
    assert {row[0].strip("`").split()[0] for row in table("command | what it does")} == set(COMMANDS)


def test_every_reason_that_the_code_gives_is_in_the_table() -> None:
    given = set().union(*(slugs(path) for package in ("codec", "daemon") for path in (ROOT / package).rglob("*.py")))
    assert {"cmyk", "no-gain", "proof-failed", "animated", "arithmetic", "timed-out", "stand-in-too-large"} <= given, "the search works"
    assert given - set(REASONS) == set()


def test_no_reason_is_only_in_the_table() -> None:
    """Apart from those that appear as data: `given` above looks at every string of the packages."""
    texts = {
        node.value
        for package in ("codec", "daemon")
        for path in (ROOT / package).rglob("*.py")
        if path.name != "reasons.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert set(REASONS) - texts == set()


def test_a_reason_of_another_version_is_shown_as_it_is() -> None:
    assert sentence("from-the-future") == "from-the-future"


def slugs(path: Path) -> set[str]:
    """First arguments of Unsupported and Refused, second ones of _leave and _fail, and the tables of refused markers and chunks."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Call(func=ast.Name(id="Unsupported" | "Refused"), args=[first, *_]):
                found |= _texts(first)
            case ast.Call(func=ast.Attribute(attr="_leave" | "_fail"), args=[_, second, *_]):
                found |= _texts(second)
            case (
                ast.Assign(targets=[ast.Name(id="_REFUSED")], value=table)
                | ast.AnnAssign(target=ast.Name(id="REFUSED"), value=ast.expr() as table)
            ):
                for value in (value for each in ast.walk(table) if isinstance(each, ast.Dict) for value in each.values):
                    if isinstance(value, ast.Tuple):
                        found |= _texts(value.elts[0])
            case ast.Assign(targets=[ast.Name(id="reason")], value=value):
                found |= _texts(value)
    return found


def _texts(node: ast.expr) -> set[str]:
    """A literal, or both sides of a conditional one; computed values are somebody else's literals."""
    match node:
        case ast.Constant(value=str() as text):
            return {text}
        case ast.IfExp(body=body, orelse=orelse):
            return _texts(body) | _texts(orelse)
        case _:
            return set()


def test_the_environment_of_a_backup_check() -> None:
    code = (ROOT / "daemon" / "backup_check.py").read_text()
    assert [row[0].strip("`") for row in table("variable | meaning")] == re.findall(r'"(GALLERY_OPTIMIZER_\w+)":', code)


def test_details_say_bare_slugs_in_words() -> None:
    said = in_words("1% smaller; neural lane: stand-in-too-large")
    assert said == f"1% smaller; neural lane: {sentence('stand-in-too-large')}"
    assert in_words("The neural lane was not taken (palette); x") == f"The neural lane was not taken ({sentence('palette')}); x"
    for kept in ("the neural lane was not taken (signed: a JUMBF box)", "seen (once)", "-1.2 points beside the level high"):
        assert in_words(kept) == kept
