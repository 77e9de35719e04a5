import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from codec.quality_map import LARGEST, least_quality, mean_quality, raised

SHAPE = (12, 16)


def test_an_area_is_raised_with_a_border_that_falls_off() -> None:
    offsets = raised(SHAPE, [((256, 256, 512, 512), 20)])
    assert offsets.dtype == np.int8
    assert (offsets[4:8, 4:8] == 20).all()
    assert (offsets[3, 4:8] == 10).all()
    assert offsets[3, 3] == 10
    assert not offsets[:3].any()
    assert not offsets[:, 9:].any()


def test_a_tile_that_lies_across_cells_raises_all_of_them() -> None:
    offsets = raised(SHAPE, [((240, 200, 752, 712), 8)])
    assert (offsets[3:12, 3:12] == 8).all()


def test_where_areas_meet_the_most_counts() -> None:
    offsets = raised(SHAPE, [((0, 0, 512, 512), 5), ((0, 512, 512, 1024), 30)])
    assert (offsets[:8, :7] == 5).all()
    assert (offsets[:8, 7] == 15).all()
    assert (offsets[:8, 8:] == 30).all()


def test_nothing_is_raised_without_areas() -> None:
    assert not raised(SHAPE, []).any()


@given(st.integers(0, 250), st.integers(-300, 300), st.integers(0, 700), st.integers(0, 900))
def test_offsets_stay_within_what_the_format_holds(quality: int, by: int, top: int, left: int) -> None:
    area = top, left, min(top + 512, 768), min(left + 512, 1024)
    offsets = raised(SHAPE, [(area, by)])
    assert 0 <= int(offsets.min()) <= int(offsets.max()) <= LARGEST
    assert min(quality, 250) <= mean_quality(quality, offsets) <= 250
    assert least_quality(quality, offsets, area) == min(250, quality + max(0, min(by, LARGEST)))
