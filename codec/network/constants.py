"""Sizes that the format is made of; numbers alone, so that what only reads a header needs no torch."""

from typing import Final

PATCH: Final = 16
"""Pixels along a side of what one position of latents covers."""

LATENTS: Final = 320
HYPER: Final = 96

CELL: Final = 4
"""Latents along a side of what one position of z, and one cell of the quality map, covers."""

CELL_PIXELS: Final = CELL * PATCH

ANCHORS: Final = 11
"""Qualities with parameters of their own; between two of them everything is interpolated."""

STEPS: Final = 25
"""Qualities from anchor to anchor."""

TOP_QUALITY: Final = STEPS * (ANCHORS - 1)
"""Qualities in a file are integers from 0, smallest, to this, best."""
