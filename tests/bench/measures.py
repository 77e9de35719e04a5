"""Measures of a decoded picture against its original, each so that more is better."""

import contextlib
import io
import math
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from codec.quality import ssimulacra2
from tests.bench.artefacts import artefacts
from tests.codec.psnr import psnr

Pixels = NDArray[np.uint8]

REVISION = 1
"""Raise it when a measure gives other numbers: what was cached before is then measured anew."""

METRICS = {
    "ssimulacra2": "SSIMULACRA2",
    "psnr": "PSNR",
    "ms_ssim": "MS-SSIM",
    "psnr_hvs_m": "PSNR-HVS-M",
    "flip": "FLIP",
}
"""The first is what our codec is trained on, the others are not."""
ARTEFACTS = {"seams": "seams", "dots": "dots", "nyquist": "Nyquist"}
"""Levels; less is better; no rate is taken from them."""

FLIP_SIDE = 256
"""FLIP takes two seconds a megapixel, ten times what the others take: it sees the middle of a picture."""


def measure(original: Pixels, decoded: Pixels) -> dict[str, float]:
    """All of METRICS and ARTEFACTS, by name. Both pictures uint8 (H, W, 3), sides of at least 176 pixels."""
    return {
        "ssimulacra2": ssimulacra2(original, decoded, threads=1),
        "psnr": psnr(original, decoded),
        "ms_ssim": ms_ssim(original, decoded),
        "psnr_hvs_m": psnr_hvs_m(original, decoded),
        "flip": flip(original, decoded),
        **asdict(artefacts(original, decoded)),
    }


def ms_ssim(original: Pixels, decoded: Pixels) -> float:
    """The mean over the channels of RGB, -10 log10(1 - value) decibels; inf for equal pictures."""
    import torch
    from pytorch_msssim import ms_ssim as measured

    a, b = (torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() for pixels in (original, decoded))
    with torch.inference_mode():
        value = float(measured(a, b, data_range=255))
    return math.inf if value >= 1 else -10 * math.log10(1 - value)


def psnr_hvs_m(original: Pixels, decoded: Pixels) -> float:
    """Decibels, of luma, over whole blocks of 8 x 8; 100 for equal pictures."""
    with contextlib.redirect_stdout(io.StringIO()):  # it prints that another of its backends lacks a package
        from psnr_hvsm import bt601ycbcr, psnr_hvs_hvsm

    height, width = (side // 8 * 8 for side in original.shape[:2])
    a, b = (bt601ycbcr(pixels[:height, :width])[0] for pixels in (original, decoded))
    with np.errstate(invalid="ignore", divide="ignore"):  # a flat block has no variance, equal ones no error: the package knows
        return float(psnr_hvs_hvsm(a, b)[1])


def flip(original: Pixels, decoded: Pixels) -> float:
    """-10 log10 of the mean FLIP (at 67 pixels a degree) of the middle, decibels; inf for equal pictures."""
    import flip_evaluator

    top, left = (max(0, (side - FLIP_SIDE) // 2) for side in original.shape[:2])
    middle = np.s_[top : top + FLIP_SIDE, left : left + FLIP_SIDE]
    a, b = (np.ascontiguousarray(pixels[middle], np.float32) / 255 for pixels in (original, decoded))
    _, value, _ = flip_evaluator.evaluate(a, b, "LDR", inputsRGB=True, applyMagma=False, computeMeanError=True)
    return math.inf if value <= 0 else -10 * math.log10(value)
