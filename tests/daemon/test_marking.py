"""A stand-in, or a picture that was made from one, is known in whatever form a program writes its mark."""

from __future__ import annotations

import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.leads import PNG_SIGNATURE
from codec.png_chunks import chunk
from daemon.marking import Mark, mark_of

MARK = Mark("ab" * 32, "0123456789abcdef", "cd" * 16, "ef" * 16)
TEXTS = {
    "as we write it": chunk(b"tEXt", b"Comment\0" + MARK.comment()),
    "ImageMagick, GraphicsMagick": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(MARK.comment())),
    "in small letters": chunk(b"tEXt", b"comment\0" + MARK.comment()),
    "Pillow": chunk(b"iTXt", b"Comment\0\0\0\0\0" + MARK.comment()),
    "Pillow, with a language": chunk(b"iTXt", b"Comment\0\0\0en\0Remark\0" + MARK.comment()),
    "Pillow, packed": chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(MARK.comment())),
}


def png(*texts: bytes) -> bytes:
    return PNG_SIGNATURE + chunk(b"IHDR", bytes(13)) + b"".join(texts) + chunk(b"IEND", b"")


@pytest.mark.parametrize("form", TEXTS)
def test_a_png_s_comment_in_every_form(form: str) -> None:
    other = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"At the sea")), chunk(b"zTXt", b"Comment\0\0no zlib")
    assert mark_of(png(*other, TEXTS[form])) == MARK
    assert mark_of(png(TEXTS[form].replace(b"omment", b"opying"))) is None
    assert mark_of(png(*other)) is None


def test_a_comment_that_blows_up_is_not_inflated() -> None:
    assert mark_of(png(chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"x" * (1 << 26) + MARK.comment())))) is None


@given(st.binary(max_size=60), st.sampled_from(sorted(TEXTS)), st.integers(0, 300))
def test_no_bytes_make_it_fail(noise: bytes, form: str, at: int) -> None:
    whole = png(TEXTS[form])
    found = mark_of(whole[:at] + noise + whole[at:])
    assert found is None or re.fullmatch("[0-9a-f]{64}", found.original)
