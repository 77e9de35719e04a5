"""Which setting of a codec does what is asked of it: the smallest that passes, one with a given score, one with as many bytes."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from peers import Codec

from codec.quality import ssimulacra2

Pixels = NDArray[np.uint8]


def smallest(lead: Callable[[int], float], reach: tuple[int, int], start: int, slope: float = 0.5) -> int | None:
    """The smallest setting in `reach` (both ends included) whose lead is not negative; None where not even the largest passes.

    `lead` rises with the setting; it is asked at `start`, then where a line through what is known crosses zero, and each answer halves
    what is left at the latest every other time. `slope` is the rise a setting, guessed until both sides are known.
    """
    low, high = reach
    known: dict[int, float] = {}
    at, halve = min(max(start, low), high), False
    while True:
        known[at] = lead(at)
        failed, passed = [s for s in known if known[s] < 0], [s for s in known if known[s] >= 0]
        below, above = max(failed, default=low - 1), min(passed, default=high + 1)
        if above - below == 1:
            return above if above <= high else None
        if failed and passed:
            span = known[above] - known[below]
            guess = (below + above) // 2 if halve else below + math.ceil(-known[below] / span * (above - below))
            halve = not halve
        else:
            guess = at - math.trunc(known[at] / slope) - (1 if known[at] >= 0 else -1)
        at = min(max(guess, below + 1), above - 1)


def with_score(codec: Codec, pixels: Pixels, score: float) -> tuple[int, bytes]:
    """(setting, bytes) of the smallest file that has at least this SSIMULACRA2; of the best one where none has."""
    encode = codec.prepare(pixels)
    made: dict[int, bytes] = {}

    def lead(setting: int) -> float:
        made[setting] = encode(setting)
        return ssimulacra2(pixels, codec.decode(made[setting])) - score

    middle = codec.settings[len(codec.settings) // 2]
    found = smallest(lead, codec.reach, middle, slope=60 / (codec.reach[1] - codec.reach[0]))
    setting = codec.reach[1] if found is None else found
    return setting, made[setting]


def with_bytes(codec: Codec, pixels: Pixels, most: int) -> tuple[int, bytes]:
    """(setting, bytes) of the largest file that has at most this many bytes; of the smallest one where none has."""
    encode = codec.prepare(pixels)
    made: dict[int, bytes] = {}

    def lead(setting: int) -> float:
        made[setting] = encode(setting)
        return math.log(len(made[setting]) / (most + 1))

    middle = codec.settings[len(codec.settings) // 2]
    beyond = smallest(lead, codec.reach, middle, slope=4 / (codec.reach[1] - codec.reach[0]))
    setting = codec.reach[1] if beyond is None else max(beyond - 1, codec.reach[0])
    return setting, made.get(setting) or encode(setting)
