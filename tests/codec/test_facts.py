import base64
import contextlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec import canonical
from codec.errors import Corrupt
from codec.facts import MAX_XATTR_BYTES, Facts, Worn

GOLDEN = Path(__file__).parent / "golden"
FACTS = Facts(size_bytes=3_456_789, sha256="0123456789abcdef" * 4, name=b"IMG_2031\xff.jpg", mtime_ns=1_700_000_000_123_456_789, mode=0o640)

names = st.binary(min_size=1, max_size=255).filter(lambda name: name not in (b".", b"..") and not {0, 47} & set(name))
attributes = st.dictionaries(st.binary(min_size=1, max_size=40).filter(lambda name: 0 not in name), st.binary(max_size=60), max_size=5)
worn = st.builds(
    Worn,
    atime_ns=st.integers(-(2**63), 2**63 - 1),
    uid=st.integers(0, 2**32 - 1),
    gid=st.integers(0, 2**32 - 1),
    xattrs=attributes.map(lambda found: tuple(sorted(found.items()))),
)
facts = st.builds(
    Facts,
    size_bytes=st.integers(0, 2**63 - 1),
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    name=names,
    mtime_ns=st.integers(-(2**63), 2**63 - 1),
    mode=st.integers(0, 0o7777),
    worn=st.none() | worn,
)


@given(facts)
def test_facts_come_back(original: Facts) -> None:
    assert Facts.from_bytes(original.to_bytes()) == original


def test_facts_are_spelled_as_ever() -> None:
    golden = (GOLDEN / "facts_v1.json").read_bytes()
    assert FACTS.to_bytes() == golden
    assert Facts.from_bytes(golden) == FACTS


def test_unknown_keys_are_ignored() -> None:
    values = json.loads(FACTS.to_bytes()) | {"taken_with": {"lens": [1, 2]}}
    assert Facts.from_bytes(canonical.dump(values)) == FACTS


WORN = Worn(1_600_000_000_000_000_001, 1000, 100, ((b"user.\xff", b"\0\1"),))


@pytest.mark.parametrize(
    "changed",
    [
        {"atime_ns": 1.0},
        {"uid": -1},
        {"gid": 2**32},
        {"xattrs": [["dXNlci5h", "AA=="], ["dXNlci5h", "AA=="]]},
        {"xattrs": [["", ""]]},
        {"xattrs": [["?", ""]]},
        {"xattrs": [["dXNlci5h"]]},
        {"xattrs": 5},
        {"xattrs": [["dXNlci5h", base64.b64encode(bytes(MAX_XATTR_BYTES)).decode()]]},
    ],
)
def test_impossible_wear_is_corrupt(changed: dict[str, Any]) -> None:
    values = json.loads(FACTS.to_bytes()) | {"worn": WORN.fields() | changed}
    with pytest.raises(Corrupt):
        Facts.from_bytes(canonical.dump(values))


BAD_VALUES: dict[str, list[Any]] = {
    "size_bytes": [-1, 2**63, 1.5, True, "1", None],
    "sha256": ["", "0" * 63, "0" * 65, "A" * 64, "0" * 64 + "\n", 5, None],
    "mtime_ns": [2**63, -(2**63) - 1, 0.0, None],
    "mode": [-1, 0o10000, False, None],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in BAD_VALUES.items() for value in values])
def test_impossible_facts_are_refused(key: str, value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        Facts(**(asdict(FACTS) | {key: value}))
    with pytest.raises(Corrupt):
        Facts.from_bytes(canonical.dump(json.loads(FACTS.to_bytes()) | {key: value}))


@pytest.mark.parametrize("name", [b"", b".", b"..", b"../etc/passwd", b"/x", b"a/b", b"a\0b", b"x" * 256])
def test_a_name_can_not_be_a_path(name: bytes) -> None:
    with pytest.raises(ValueError):
        Facts(**(asdict(FACTS) | {"name": name}))
    values = json.loads(FACTS.to_bytes()) | {"name": base64.b64encode(name).decode()}
    with pytest.raises(Corrupt):
        Facts.from_bytes(canonical.dump(values))


@pytest.mark.parametrize("name", ["?", "QQ", "QQ==\n", "ü", 5, None, ["QQ=="]])
def test_a_name_that_is_no_base64_is_refused(name: Any) -> None:
    with pytest.raises(Corrupt):
        Facts.from_bytes(canonical.dump(json.loads(FACTS.to_bytes()) | {"name": name}))


@pytest.mark.parametrize("key", sorted(json.loads(FACTS.to_bytes())))
def test_a_missing_fact_is_named(key: str) -> None:
    values = json.loads(FACTS.to_bytes())
    del values[key]
    with pytest.raises(Corrupt, match=key):
        Facts.from_bytes(canonical.dump(values))


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"1", b"{", b'{"a":1,"a":2}', b'{"a":NaN}', b"\xff\xfe", b"[" * 100_000, b'{"a":' + b"9" * 5000 + b"}", b"{} {}"],
    ids=lambda data: repr(data[:12]),
)
def test_what_is_not_one_plain_object_is_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt):
        canonical.load(data)
    with pytest.raises(Corrupt):
        Facts.from_bytes(data)


def test_canonical_json_has_one_spelling() -> None:
    assert canonical.dump({"b": [1, 2.5, None], "a": "ä"}) == b'{"a":"\\u00e4","b":[1,2.5,null]}'
    with pytest.raises(ValueError):
        canonical.dump({"a": float("nan")})


@given(st.binary(max_size=200))
def test_any_bytes_are_facts_or_corrupt(data: bytes) -> None:
    with contextlib.suppress(Corrupt):
        Facts.from_bytes(data)
