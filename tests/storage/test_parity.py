"""Damaged sectors come back, whatever and wherever they are, or it is said that they can't."""

import errno
import hashlib
import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import parity
from storage.checkpoint import observed_by
from storage.errors import Damaged, Missing, StorageError
from storage.parity import BLOCK_BYTES, made, read_head, repaired
from storage.vault import Vault

pytest.importorskip("zfec", reason="parity needs the package zfec")


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


BIG = noise(900 * BLOCK_BYTES + 77)
BIG_PARITY = made(BIG, 0.05)
SMALL = BIG[: 30 * BLOCK_BYTES + 77]


@given(st.integers(1, 12 * BLOCK_BYTES), st.floats(0.01, 0.25), st.integers())
def test_as_many_blocks_as_the_parity_has(size: int, share: float, seed: int) -> None:
    archive, chance = noise(size, seed), random.Random(seed)
    found = made(archive, share)
    head = read_head(found)
    assert parity.is_whole(found)
    assert head.archive_sha256 == hashlib.sha256(archive).hexdigest()
    damaged = bytearray(archive)
    hit = chance.sample(range(head.blocks), min(head.blocks, head.parity_blocks))
    for number in hit:
        damaged[chance.randrange(number * BLOCK_BYTES, min(size, (number + 1) * BLOCK_BYTES))] ^= chance.randrange(1, 256)
    assert repaired(bytes(damaged), found) == parity.Repaired(archive, len(hit))


@given(st.integers(0, 900), st.integers(0, 2))
def test_a_run_of_sectors_falls_into_all_stripes(first: int, seed: int) -> None:
    head = read_head(BIG_PARITY)
    assert (head.stripes, head.parity_blocks) == (5, 10)
    damaged = bytearray(BIG)
    end = min(len(BIG), (first + 50) * BLOCK_BYTES)
    damaged[first * BLOCK_BYTES : end] = noise(end - first * BLOCK_BYTES, seed)
    assert repaired(bytes(damaged), BIG_PARITY).archive == BIG


def test_more_than_that_is_refused() -> None:
    with pytest.raises(Damaged, match="51 blocks"):
        repaired(bytes(51 * BLOCK_BYTES) + BIG[51 * BLOCK_BYTES :], BIG_PARITY)


@pytest.mark.parametrize("change", [lambda data: data[:-20_000], lambda data: data + b"and more", lambda data: data])
def test_a_cut_end_counts_as_damage_and_more_is_cut(change) -> None:  # type: ignore[no-untyped-def]
    assert repaired(change(BIG), BIG_PARITY).archive == BIG


@given(st.integers(0, len(BIG_PARITY) - 1), st.integers(1, 3 * BLOCK_BYTES))
def test_damaged_parity_is_noticed_and_the_rest_of_it_still_helps(at: int, length: int) -> None:
    end = min(len(BIG_PARITY), at + length)
    found = BIG_PARITY[:at] + bytes(byte ^ 0xFF for byte in BIG_PARITY[at:end]) + BIG_PARITY[end:]
    assert not parity.is_whole(found)
    damaged = bytearray(BIG)
    damaged[0 : 20 * BLOCK_BYTES] = bytes(20 * BLOCK_BYTES)
    assert repaired(bytes(damaged), found).archive == BIG


@given(st.binary(max_size=300))
def test_strange_bytes_are_no_parity(data: bytes) -> None:
    for strange in (data, BIG_PARITY[:8] + data, BIG_PARITY[:56] + data):
        with pytest.raises(Damaged):
            repaired(BIG, strange)


def test_a_forged_head_takes_no_memory() -> None:
    head = bytearray(BIG_PARITY[:56])
    head[16:24] = (2**60).to_bytes(8, "little")
    with pytest.raises(Damaged):
        read_head(bytes(head) + BIG_PARITY[56:5000])


# The arithmetic of docs/bitstream.md, by other code.

_EXP = [1]
for _ in range(254):
    _EXP.append(_EXP[-1] << 1 ^ (0x11D if _EXP[-1] & 0x80 else 0))
_LOG = {value: power for power, value in enumerate(_EXP)}


def times(a: int, b: int) -> int:
    return 0 if not a or not b else _EXP[(_LOG[a] + _LOG[b]) % 255]


def generator(width: int, extra: int) -> list[list[int]]:
    """L U^-1, by Gauss and Jordan on the columns: rows [U; L] become [1; L U^-1]."""
    rows = [[1] + [0] * (width - 1)]
    rows += [[_EXP[(r - 1) * c % 255] for c in range(width)] for r in range(1, width + extra)]
    columns = [list(column) for column in zip(*rows, strict=True)]
    for place in range(width):
        pivot = next(c for c in range(place, width) if columns[c][place])
        columns[place], columns[pivot] = columns[pivot], columns[place]
        inverse = _EXP[-_LOG[columns[place][place]] % 255]
        columns[place] = [times(value, inverse) for value in columns[place]]
        for c in range(width):
            factor = columns[c][place]
            if c != place and factor:
                columns[c] = [value ^ times(factor, one) for value, one in zip(columns[c], columns[place], strict=True)]
    return [[columns[c][width + row] for c in range(width)] for row in range(extra)]


@pytest.mark.parametrize(("blocks", "share"), [(1, 0.05), (7, 0.25), (40, 0.05)])
def test_the_documented_arithmetic(blocks: int, share: float) -> None:
    archive = noise(blocks * BLOCK_BYTES)
    found = made(archive, share)
    head = read_head(found)
    assert head.stripes == 1
    first = len(head.packed())
    for number, row in enumerate(generator(head.width, head.parity_blocks)):
        for at in (0, 1, 4095):
            expected = 0
            for place, factor in enumerate(row):
                expected ^= times(factor, archive[place * BLOCK_BYTES + at])
            assert found[first + number * BLOCK_BYTES + at] == expected


def test_the_bytes_are_frozen() -> None:
    archive = bytes(number * number % 251 for number in range(3 * BLOCK_BYTES + 100))
    assert hashlib.sha256(made(archive, 0.25)).hexdigest() == FROZEN
    assert hashlib.sha256(BIG_PARITY).hexdigest() == FROZEN_BIG


FROZEN = "7cce477a768101a9056ddac6421051526e872b57add9375ddcd85916fa2f929b"
FROZEN_BIG = "928d6f16a31de7bcfc50a8b2ee0c61d0154881c49749123b90db514f0f305f15"


# In a vault.

SHA = hashlib.sha256(b"the original").hexdigest()


def prepared(folder: Path, archive: bytes, parity_bytes: int) -> Vault:
    vault = Vault(folder)
    vault.prepare()
    vault.commit_archive(vault.stage_archive(archive), SHA)
    assert vault.keep_parity(SHA, 0.05) == parity_bytes
    return vault


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return prepared(tmp_path, BIG, len(BIG_PARITY))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_vault_keeps_it_and_repairs(vault: Vault) -> None:
    assert vault.parity_trouble(SHA, digest(BIG)) == ""
    with vault.archive_path(SHA).open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"rot" * 5000)
    assert vault.repair_archive(SHA, digest(BIG)) == 4
    assert vault.archive_path(SHA).read_bytes() == BIG
    assert vault.repair_archive(SHA, None) == 0


def test_sectors_that_the_disk_does_not_give(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pread

    def unreadable(descriptor: int, length: int, offset: int) -> bytes:
        if length <= BLOCK_BYTES and 100 * BLOCK_BYTES <= offset < 130 * BLOCK_BYTES:
            raise OSError(errno.EIO, "Input/output error")
        return real(descriptor, length, offset)

    monkeypatch.setattr(os, "pread", unreadable)
    assert vault.repair_archive(SHA, digest(BIG)) == 30


def test_too_much_damage_changes_nothing(vault: Vault) -> None:
    damaged = bytes(100 * BLOCK_BYTES) + BIG[100 * BLOCK_BYTES :]
    vault.archive_path(SHA).write_bytes(damaged)
    with pytest.raises(Damaged):
        vault.repair_archive(SHA, digest(BIG))
    assert vault.archive_path(SHA).read_bytes() == damaged
    assert not list((vault.folder / "staging").iterdir())


def test_the_parity_of_another_archive_mends_nothing(vault: Vault) -> None:
    vault.archive_path(SHA).write_bytes(b"another archive of that photo")
    assert "earlier archive" in vault.parity_trouble(SHA, digest(b"another archive of that photo"))
    with pytest.raises(Damaged):
        vault.repair_archive(SHA, digest(b"another archive of that photo"))
    assert vault.archive_path(SHA).read_bytes() == b"another archive of that photo"


def test_it_goes_with_its_archive(vault: Vault) -> None:
    vault.throw_away_archive(SHA, [])
    assert not vault.parity_path(SHA).exists()
    with pytest.raises(Missing):
        vault.repair_archive(SHA, None)
    assert vault.parity_trouble(SHA, digest(BIG))


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EROFS])
def test_whatever_call_fails_the_archive_is_as_it_was_or_whole(tmp_path: Path, code: int) -> None:
    vault = prepared(tmp_path, SMALL, len(made(SMALL, 0.05)))
    damaged = SMALL[:5000] + b"rot" + SMALL[5003:]
    parity_file, steps = vault.parity_path(SHA).read_bytes(), [0]
    for nth in range(1, 40):
        vault.archive_path(SHA).write_bytes(damaged)
        steps[0] = 0

        def failing(name: str, nth: int = nth) -> None:
            steps[0] += 1
            if steps[0] == nth:
                raise OSError(code, "as the test wanted")

        with observed_by(failing):
            try:
                vault.repair_archive(SHA, digest(SMALL))
            except StorageError:
                pass
            try:
                vault.keep_parity(SHA, 0.05) if vault.archive_path(SHA).read_bytes() == SMALL else None
            except StorageError:
                pass
        assert vault.archive_path(SHA).read_bytes() in (damaged, SMALL)
        assert vault.parity_path(SHA).read_bytes() == parity_file
        vault.clear_staging()
        vault.repair_archive(SHA, digest(SMALL))
        assert vault.archive_path(SHA).read_bytes() == SMALL
        if steps[0] < nth:
            break
    assert 8 < nth < 39, f"{nth - 1} steps were tried"
