import math
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import Refused
from storage.proof import COPY_ALLOWANCE_POINTS, Proof
from tests.storage.scenes import a_proof


@pytest.mark.parametrize(
    "change",
    [
        {"original_sha256": ""},
        {"original_sha256": "A" * 64},
        {"archive_sha256": "../../etc/passwd"},
        {"archive_bytes": 0},
        {"level": ""},
        {"metadata_equal": False},
        {"metadata_equal": 1},
        {"checked_at": 0},
        {"verifier_pid": 0},
        {"verifier_pid": os.getpid()},
        {"verifier_pid": 7, "asker_pid": 7},
        {"whole": 79.99},
        {"worst_tile": 69.99},
        {"copy_whole": 77.99},
        {"whole": math.nan},
        {"worst_tile": math.nan},
        {"copy_whole": math.nan},
        {"whole": math.inf},
        {"whole": 100.5},
        {"whole_at_least": math.nan},
        {"whole_at_least": -math.inf},
    ],
)
def test_nonsense_is_no_proof(change: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="no proof"):
        a_proof(**change)


def test_a_lossless_lane_says_a_hundred() -> None:
    same: dict[str, Any] = dict.fromkeys(("whole_at_least", "worst_tile_at_least", "whole", "worst_tile", "copy_whole"), 100.0)
    assert isinstance(a_proof(model="", level="exact", **same), Proof)


@given(*[st.floats(allow_nan=True) for _ in range(5)])
def test_no_score_below_its_threshold_gets_through(whole: float, tile: float, copy: float, least: float, least_tile: float) -> None:
    try:
        proof = a_proof(whole=whole, worst_tile=tile, copy_whole=copy, whole_at_least=least, worst_tile_at_least=least_tile)
    except Refused:
        return
    assert proof.whole >= least
    assert proof.worst_tile >= least_tile
    assert proof.copy_whole >= least - COPY_ALLOWANCE_POINTS
