"""Training crops: read once into memory, handed out as batches that look like what the codec will meet."""

import io
import tarfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from codec.network.constants import LATENTS, PATCH
from codec.network.transforms import GREY
from codec.training.generated import Crop, blotches, grey, page, sky

HELD_OUT = 48
"""Crops never trained on, whose loss the log shows; of a small collection, a quarter at most."""

PATCHES = 40_000
"""So many are enough for 768 principal components."""

WHOLE = 512
"""Pixels: at eight cells of 64 a side the ones in the middle see no border, as nearly all do in a photo."""
_WHOLE_SHARE = 0.5
_PHONE_SHARE = 0.5
_DIM_SHARE = 0.12
_SKY_SHARE = 0.04
_PAGE_SHARE = 0.06
_GREY_SHARE = 0.03
_PATCHES_A_CROP = 40


def load_packs(packs: Sequence[Path]) -> tuple[list[Crop], list[Crop]]:
    """Read several tars; what is held out is of the first alone, so that figures stay comparable while packs are added."""
    (trained, held), *others = (load_crops(pack) for pack in packs)
    return trained + [crop for more, spared in others for crop in more + spared], held


def load_crops(pack: Path, limit: int | None = None) -> tuple[list[Crop], list[Crop]]:
    """Read a tar of square RGB crops, all of one size -> (to train on, held out). Crops of one photo (name before the last `_`) are never
    in both. Raises ValueError where all are of one photo."""

    def decode(data: bytes) -> Crop:
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    with tarfile.open(pack) as tar, ThreadPoolExecutor(2) as pool:
        files = sorted((m for m in tar if m.isfile()), key=lambda m: m.name)[:limit]
        sources = [m.name.rsplit("_", 1)[0] for m in files]
        crops = list(pool.map(decode, [handle.read() for m in files if (handle := tar.extractfile(m))]))
    kept = set(dict.fromkeys(sources[:: max(4, len(sources) // HELD_OUT)]))  # photos of every part of the order
    chosen = [number for number, source in enumerate(sources) if source in kept][: min(HELD_OUT, max(1, len(crops) // 4))]
    held, spared = [crops[number] for number in chosen], {sources[number] for number in chosen}
    trained = [crop for crop, source in zip(crops, sources, strict=True) if source not in spared]
    if not trained:
        raise ValueError(f"{pack} holds crops of too few photos to hold any out")
    return trained, held


def phone_like(crop: Crop, size: int, rng: np.random.Generator) -> Crop:
    """What a phone's JPEG looks like at native size, out of a cleaner crop: (S, S, 3) uint8 -> (size, size, 3) uint8, for input and target
    alike.

    Enlarged 1-2 times (demosaicing is soft), signal-dependent noise that is slightly blurred, sharpening, JPEG 4:2:0.
    """
    side = crop.shape[0]
    n = min(side, int(size / rng.uniform(1, 2)) + 1)
    i, j = rng.integers(0, side - n + 1, 2)
    v: npt.NDArray[np.floating] = np.asarray(
        Image.fromarray(crop[i : i + n, j : j + n]).resize((size, size), Image.Resampling.BICUBIC), np.float32
    )
    if rng.random() < _DIM_SHARE / _PHONE_SHARE:  # night and indoors: less light, and what noise reduction leaves of more noise
        v = 255 * (v / 255) ** rng.uniform(1, 1.6) * rng.uniform(0.08, 0.5)
        v = v + (blotches(size, size // 4, rng) - 0.5) * rng.uniform(0, 12)
    noise = rng.normal(0, 0.6, v.shape) + rng.normal(0, 0.8, (*v.shape[:2], 1))
    noise = noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1) + np.roll(noise, (1, 1), (0, 1))
    v = v + noise / 2 * rng.uniform(0.4, 1) * rng.uniform(0, 3.5) * np.sqrt(0.15 + v / 255)
    image = Image.fromarray(v.clip(0, 255).round().astype(np.uint8))
    if rng.random() < 0.6:
        image = image.filter(ImageFilter.UnsharpMask(rng.uniform(0.6, 1.5), int(rng.uniform(30, 120)), 0))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(rng.integers(88, 98)), subsampling=2)
    return np.asarray(Image.open(buffer).convert("RGB"))


def whole(crop: Crop, rng: np.random.Generator) -> Crop:
    """(S, S, 3) uint8 -> (WHOLE, WHOLE, 3): mirrored at its sides again and again, and begun anywhere."""
    side = crop.shape[0]
    i, j = rng.integers(0, 2 * side, 2)
    more = WHOLE + side
    return np.pad(crop, ((0, more), (0, more), (0, 0)), mode="symmetric")[i : i + WHOLE, j : j + WHOLE]


def batches(crops: list[Crop], count: int, size: int, seed: int) -> Iterator[Tensor]:
    """Endless (count, 3, size, size) batches of floats in 0..1: crops flipped and turned, a few of smooth ground or print, a few
    without colour, half of them made phone-like (some of these as dark as night). Every second batch is of fewer pictures of WHOLE pixels,
    where those hold no more pixels: in a small crop every cell lies at a border, and what was only trained there knows nothing of a
    photo's middle."""
    rng = np.random.default_rng(seed)
    wholes = count * size**2 // WHOLE**2
    while True:
        large = wholes > 0 and rng.random() < _WHOLE_SHARE
        here = WHOLE if large else size
        chosen = [_looking_real(crops[index], here, rng) for index in rng.integers(0, len(crops), wholes if large else count)]
        yield torch.from_numpy(np.stack(chosen)).permute(0, 3, 1, 2).float() / 255


def _looking_real(crop: Crop, size: int, rng: np.random.Generator) -> Crop:
    """A crop, smooth ground or print, as one picture of a batch: (size, size, 3)."""
    chance = rng.random()
    if chance < _SKY_SHARE + _PAGE_SHARE:
        crop = (sky if chance < _SKY_SHARE else page)(max(crop.shape[0], size), rng)
    if size > crop.shape[0]:
        crop = whole(crop, rng)
    if rng.random() < _PHONE_SHARE:
        crop = phone_like(crop, size, rng)
    else:
        i, j = rng.integers(0, crop.shape[0] - size + 1, 2)
        crop = crop[i : i + size, j : j + size]
    if rng.random() < _GREY_SHARE:
        crop = grey(crop)
    crop = np.rot90(crop, int(rng.integers(4)))
    return crop[:, ::-1] if rng.random() < 0.5 else crop


def patch_components(crops: list[Crop], count: int = PATCHES, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Principal components of `count` random patches, half of them from phone-like crops: (16, 16, 3, LATENTS) row, column, channel,
    component, and the standard deviation (LATENTS,) of each; pixels in 0..1.

    The best linear transform to so many latents; a network that starts with it is a transform codec at its first step.
    """
    rng = np.random.default_rng(seed)
    covariance, seen = np.zeros((3 * PATCH**2, 3 * PATCH**2)), 0
    while seen < count:
        crop = crops[rng.integers(len(crops))]
        if rng.random() < _PHONE_SHARE:
            crop = phone_like(crop, crop.shape[0], rng)
        at = rng.integers(0, crop.shape[0] - PATCH + 1, (_PATCHES_A_CROP, 2))
        patches = np.stack([crop[i : i + PATCH, j : j + PATCH].ravel() for i, j in at]) / 255 - GREY
        covariance, seen = covariance + patches.T @ patches, seen + len(patches)
    powers, vectors = np.linalg.eigh(covariance / seen)
    components = torch.from_numpy(vectors[:, ::-1][:, :LATENTS].copy()).float().view(PATCH, PATCH, 3, LATENTS)
    return components, torch.from_numpy(powers[::-1][:LATENTS].copy()).float().clamp_min(1e-8).sqrt()
