"""Which setting of a codec does what is asked of it: the smallest that passes, one with a given score, one with as many bytes."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from codec.quality import ssimulacra2
from tests.bench.peers import Codec

Pixels = NDArray[np.uint8]


def smallest(lead: Callable[[int], float], reach: tuple[int, int], start: int, slope: float = 0.5) -> int | None:
    """The smallest setting in `reach` (both ends included) whose lead is not negative; None where not even the largest passes.

    `lead` rises with the setting; it is asked at `start`, then where a line through the two nearest answers crosses zero, and each third
    time that an answer falls on the same side, in the middle between them. `slope` is the rise a setting, guessed until both sides are
    known; a guess that keeps to one side goes four times as far the next time.
    """
    low, high = reach
    known: dict[int, float] = {}
    at, lines, stride = min(max(start, low), high), 0, 1
    while True:
        known[at] = lead(at)
        failed, passed = [s for s in known if known[s] < 0], [s for s in known if known[s] >= 0]
        below, above = max(failed, default=low - 1), min(passed, default=high + 1)
        if above - below == 1:
            return above if above <= high else None
        if failed and passed:
            span = known[above] - known[below]
            sides = [value >= 0 for value in known.values()]
            lines = lines + 1 if sides[-1] == sides[-2] else 1
            line = below + math.ceil(-known[below] / span * (above - below))
            guess = (below + above) // 2 if lines % 3 == 0 else line
        else:
            move = max(stride, 1 + int(min(abs(known[at]) / slope, high - low)))
            guess, stride = at + (move if known[at] < 0 else -move), 4 * stride
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
