"""SSIMULACRA 2.1's error maps of two photos, summed over rectangles: compiled, with memory for eleven rows of a rectangle at a time.

The maps are those of the reference package, arranged so that single precision suffices. With d = a - b, m() the Gaussian and
v(p) = m(p * p) - m(p)^2, the SSIM map

    1 - (1 - m(d)^2) (2 cov(a, b) + C2) / (v(a) + v(b) + C2)   equals   m(d)^2 + (1 - m(d)^2) v(d) / (v(a) + v(b) + C2),

in which nothing of the size of a pixel cancels: equal pictures give exactly 0, and four Gaussians do instead of five.

Borders: zeros beyond left and right, mirrored beyond top and bottom, as in the reference package.
"""

from typing import Any, Final

import numpy as np

from codec.compiled import compiled, read_only, types
from codec.ssimulacra2_constants import BIAS, C2, OPSIN, RADIUS, SIGMA

SUMS: Final = 6
"""For each channel: the sums of the SSIM map, of the ringing map and of the blur map, then the sums of their fourth powers."""

_WINDOW: Final = 2 * RADIUS + 1
_MEAN, _SHIFT, _POWER, _NOISE, _HERE, _LESS = range(6)  # Gaussians of a, a - b, a*a + b*b, (a - b)^2; a and a - b themselves
_ROWS_A_FLUSH: Final = 16

_C2: Final = np.float32(C2)
_BIAS: Final = np.float32(BIAS)
_BIAS_ROOT: Final = np.float32(BIAS ** (1 / 3))
_THIRD: Final = np.float32(1 / 3)
_ROOT_BITS: Final = np.int32(709_921_077)  # a third of the exponent's bias: the first guess of a cube root, 5 % off at most
_ZERO, _HALF, _ONE, _TWO, _QUARTER = (np.float32(value) for value in (0, 0.5, 1, 2, 0.25))
_X_SCALE, _X_SHIFT, _Y_SHIFT, _B_SHIFT = (np.float32(value) for value in (14, 0.42, 0.01, 0.55))

_steps = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / SIGMA) ** 2)
_T5, _T4, _T3, _T2, _T1, _T0 = (np.float32(value) for value in (_steps / _steps.sum())[: RADIUS + 1])

_level = np.arange(256) / 255
_srgb = np.where(_level <= 0.04045, _level / 12.92, ((_level + 0.055) / 1.055) ** 2.4)
LINEAR: Final = np.stack([_srgb] * 3).astype(np.float32)
"""sRGB byte -> linear light in 0..1, of each channel."""
CONES: Final = np.array(OPSIN, np.float32)
"""Linear light of the channels -> what the three kinds of cones catch of it."""

_BYTES = read_only(types.uint8, 3)
_PLANES = read_only(types.float32, 3)
_TABLE = read_only(types.float32, 2)
_FLOATS = types.float32[::1]


@compiled(types.float32(types.float32))
def cube_root(value: Any) -> Any:
    """To a rounding or two of single precision, for positive values: two of Halley's steps."""
    root = np.int32(np.int32(np.float32(np.float32(value).view(np.int32)) * _THIRD) + _ROOT_BITS).view(np.float32)
    for _ in range(2):
        cube = root * root * root
        root = root * (cube + _TWO * value) / (_TWO * cube + value)
    return root


@compiled(types.float32(_BYTES, types.int64, types.int64, types.int64, _TABLE))
def _halved(pixels: Any, y: Any, x: Any, channel: Any, linear: Any) -> Any:
    """Linear light at half size: the mean of 2 x 2 pixels, at an odd border of what is there."""
    below = min(2 * y + 1, pixels.shape[0] - 1)
    right = min(2 * x + 1, pixels.shape[1] - 1)
    curve = linear[channel]
    above = curve[pixels[2 * y, 2 * x, channel]] + curve[pixels[2 * y, right, channel]]
    return _QUARTER * (above + (curve[pixels[below, 2 * x, channel]] + curve[pixels[below, right, channel]]))


@compiled(types.void(_BYTES, _TABLE, types.int64, types.int64, types.float32[:, :, ::1]))
def quarter(pixels: Any, linear: Any, first: int, last: int, planes: Any) -> None:
    """Rows first..last of the scale at a quarter of the size, planes (3, H, W), straight from bytes (H, W, 1 or 3)."""
    height, width = (pixels.shape[0] + 1) // 2, (pixels.shape[1] + 1) // 2
    for channel in range(3):
        source = min(channel, pixels.shape[2] - 1)
        for y in range(first, last):
            below = min(2 * y + 1, height - 1)
            for x in range(planes.shape[2]):
                right = min(2 * x + 1, width - 1)
                above = _halved(pixels, 2 * y, 2 * x, source, linear) + _halved(pixels, 2 * y, right, source, linear)
                under = _halved(pixels, below, 2 * x, source, linear) + _halved(pixels, below, right, source, linear)
                planes[channel, y, x] = _QUARTER * (above + under)


@compiled(types.void(_PLANES, types.float32[:, :, ::1]))
def halve(planes: Any, half: Any) -> None:
    """The next scale, (3, H / 2, W / 2) rounded up."""
    for channel in range(3):
        for y in range(half.shape[1]):
            below = min(2 * y + 1, planes.shape[1] - 1)
            for x in range(half.shape[2]):
                right = min(2 * x + 1, planes.shape[2] - 1)
                above = planes[channel, 2 * y, 2 * x] + planes[channel, 2 * y, right]
                half[channel, y, x] = _QUARTER * (above + (planes[channel, below, 2 * x] + planes[channel, below, right]))


@compiled(types.void(_BYTES, _PLANES, *[types.int64] * 5, _TABLE, _TABLE, types.float32[:, ::1]))
def _read_row(pixels: Any, planes: Any, scale: int, y: int, x: int, at: int, count: int, linear: Any, cones: Any, row: Any) -> None:
    """XYB, shifted to be positive, of `count` pixels from (y, x) on into row[:, at : at + count].

    The loops run over views from 0 on: numba counts an index that may be negative from the end, and such a loop does not vectorise.
    """
    first, second, third = row[0, at : at + count], row[1, at : at + count], row[2, at : at + count]
    if scale >= 2:
        red_plane, green_plane, blue_plane = planes[0, y, x : x + count], planes[1, y, x : x + count], planes[2, y, x : x + count]
        for i in range(count):
            first[i] = red_plane[i]
            second[i] = green_plane[i]
            third[i] = blue_plane[i]
    elif scale == 1:
        last = pixels.shape[2] - 1
        for i in range(count):
            first[i] = _halved(pixels, y, x + i, 0, linear)
            second[i] = _halved(pixels, y, x + i, min(1, last), linear)
            third[i] = _halved(pixels, y, x + i, last, linear)
    elif pixels.shape[2] == 1:
        grey = pixels[y, x : x + count]
        for i in range(count):
            first[i] = second[i] = third[i] = linear[0, grey[i, 0]]
    else:
        colours = pixels[y, x : x + count]
        for i in range(count):
            first[i] = linear[0, colours[i, 0]]
            second[i] = linear[1, colours[i, 1]]
            third[i] = linear[2, colours[i, 2]]
    (l0, l1, l2), (m0, m1, m2), (s0, s1, s2) = (
        (cones[0, 0], cones[0, 1], cones[0, 2]),
        (cones[1, 0], cones[1, 1], cones[1, 2]),
        (cones[2, 0], cones[2, 1], cones[2, 2]),
    )
    for i in range(count):
        red, green, blue = first[i], second[i], third[i]
        # Not below 0: a profile may know colours that no cones could catch alone.
        long = cube_root(max(l0 * red + l1 * green + l2 * blue, _ZERO) + _BIAS) - _BIAS_ROOT
        medium = cube_root(max(m0 * red + m1 * green + m2 * blue, _ZERO) + _BIAS) - _BIAS_ROOT
        short = cube_root(max(s0 * red + s1 * green + s2 * blue, _ZERO) + _BIAS) - _BIAS_ROOT
        luma = _HALF * (long + medium)
        first[i] = _HALF * (long - medium) * _X_SCALE + _X_SHIFT
        second[i] = luma + _Y_SHIFT
        third[i] = (short - luma) + _B_SHIFT


@compiled(types.void(_FLOATS, _FLOATS))
def _across(row: Any, blurred: Any) -> None:
    for i in range(blurred.size):
        blurred[i] = (
            (_T0 * row[i + 5] + _T1 * (row[i + 4] + row[i + 6]))
            + (_T2 * (row[i + 3] + row[i + 7]) + _T3 * (row[i + 2] + row[i + 8]))
            + (_T4 * (row[i + 1] + row[i + 9]) + _T5 * (row[i] + row[i + 10]))
        )


@compiled(types.void(types.float32[:, ::1], types.int64, _FLOATS))
def _down(ring: Any, newest: int, blurred: Any) -> None:
    """In two passes: a loop over eleven rows at once is more than the compiler proves apart, so it would not vectorise."""
    oldest = newest + 1  # modulo the window
    r0, r1, r2, r3 = ring[oldest % _WINDOW], ring[(oldest + 1) % _WINDOW], ring[(oldest + 2) % _WINDOW], ring[(oldest + 3) % _WINDOW]
    r4, r5, r6 = ring[(oldest + 4) % _WINDOW], ring[(oldest + 5) % _WINDOW], ring[(oldest + 6) % _WINDOW]
    r7, r8, r9, r10 = ring[(oldest + 7) % _WINDOW], ring[(oldest + 8) % _WINDOW], ring[(oldest + 9) % _WINDOW], ring[newest]
    for i in range(blurred.size):
        blurred[i] = _T0 * r5[i] + _T1 * (r4[i] + r6[i]) + _T2 * (r3[i] + r7[i])
    for i in range(blurred.size):
        blurred[i] += _T3 * (r2[i] + r8[i]) + _T4 * (r1[i] + r9[i]) + _T5 * (r0[i] + r10[i])


@compiled(types.void(types.float32[:, ::1], _FLOATS, _FLOATS, types.float32[:, ::1]))
def _pool(blurred: Any, here: Any, less: Any, columns: Any) -> None:
    """Add one row of the three error maps, and of their fourth powers, to the sums of the columns."""
    mean, shift, power, noise = blurred[0], blurred[1], blurred[2], blurred[3]
    ssim, ringing, blur, ssim4, ringing4, blur4 = columns[0], columns[1], columns[2], columns[3], columns[4], columns[5]
    for i in range(here.size):
        other = mean[i] - shift[i]
        shift2 = shift[i] * shift[i]
        error = shift2 + (_ONE - shift2) * (noise[i] - shift2) / (power[i] - mean[i] * mean[i] - other * other + _C2)
        error = max(error, _ZERO)
        ssim[i] += error
        ssim4[i] += (error * error) * (error * error)
    for i in range(here.size):
        edge = abs(here[i] - mean[i])
        ratio = (abs(here[i] - less[i] - (mean[i] - shift[i])) - edge) / (_ONE + edge)
        more = max(ratio, _ZERO)
        lost = max(-ratio, _ZERO)
        ringing[i] += more
        ringing4[i] += (more * more) * (more * more)
        blur[i] += lost
        blur4[i] += (lost * lost) * (lost * lost)


_SIZE, _PLACE, _SUMS = types.UniTuple(types.int64, 2), types.UniTuple(types.int64, 4), types.float64[:, ::1]


@compiled(types.void(_BYTES, _BYTES, _PLANES, _PLANES, types.int64, _SIZE, _TABLE, _TABLE, _PLACE, _SUMS))
def pool(
    a: Any,
    b: Any,
    planes_a: Any,
    planes_b: Any,
    scale: int,
    size: tuple[int, int],
    linear: Any,
    cones: Any,
    place: tuple[int, int, int, int],
    sums: Any,
) -> None:
    """Add the error maps of one rectangle of one scale to `sums` (3, SUMS).

    `a` and `b` are the bytes (H, W, 1 or 3), of which scales 0 and 1 are read; the planes are those of the scale from 2 on. `size` is the
    scale's (height, width), `place` the rectangle's (top, bottom, left, right). `linear` (3, 256) and `cones` (3, 3)
    say what the bytes mean.
    """
    height, width = size
    top, bottom, left, right = place
    count = right - left
    start = max(0, RADIUS - left)  # where the picture begins and ends in a row with its halo; what is beyond stays 0
    inside = min(count + 2 * RADIUS, RADIUS + width - left) - start
    row_a = np.zeros((3, count + 2 * RADIUS), np.float32)
    row_b = np.zeros((3, count + 2 * RADIUS), np.float32)
    power = np.zeros(count + 2 * RADIUS, np.float32)
    noise = np.zeros(count + 2 * RADIUS, np.float32)
    ring = np.zeros((3, 6, _WINDOW, count), np.float32)
    blurred = np.empty((4, count), np.float32)
    columns = np.zeros((3, SUMS, count), np.float32)
    for y in range(top - RADIUS, bottom + RADIUS):
        mirrored = -1 - y if y < 0 else (2 * height - 1 - y if y >= height else y)
        _read_row(a, planes_a, scale, mirrored, left - RADIUS + start, start, inside, linear, cones, row_a)
        _read_row(b, planes_b, scale, mirrored, left - RADIUS + start, start, inside, linear, cones, row_b)
        slot = (y - top + RADIUS) % _WINDOW
        for channel in range(3):
            plain, other = row_a[channel], row_b[channel]
            for i in range(plain.size):
                power[i] = plain[i] * plain[i] + other[i] * other[i]
            for i in range(plain.size):
                other[i] = plain[i] - other[i]
            for i in range(plain.size):
                noise[i] = other[i] * other[i]
            rows = ring[channel]
            _across(plain, rows[_MEAN, slot])
            _across(other, rows[_SHIFT, slot])
            _across(power, rows[_POWER, slot])
            _across(noise, rows[_NOISE, slot])
            here, less = rows[_HERE, slot], rows[_LESS, slot]
            for i in range(count):
                here[i] = plain[i + RADIUS]
                less[i] = other[i + RADIUS]
        done = y - RADIUS
        if done < top:
            continue
        middle = (slot + RADIUS + 1) % _WINDOW
        for channel in range(3):
            rows = ring[channel]
            for kind in range(4):
                _down(rows[kind], slot, blurred[kind])
            _pool(blurred, rows[_HERE, middle], rows[_LESS, middle], columns[channel])
        if (done - top) % _ROWS_A_FLUSH == _ROWS_A_FLUSH - 1 or done == bottom - 1:
            # Single precision holds sixteen rows well; a picture's sum belongs into double.
            for channel in range(3):
                for kind in range(SUMS):
                    for i in range(count):
                        sums[channel, kind] += np.float64(columns[channel, kind, i])
                        columns[channel, kind, i] = _ZERO
