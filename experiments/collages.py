"""Paste digits on photos, so that each pixel has a class: 0 for the photo, 1 to 10 for digits from 0."""

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image

_SMALLEST, _LARGEST = 16, 28  # sides of a pasted digit's square
_INK = 128  # of 255; with less a pixel stays the photo's
_CONTRAST = 80  # of the ink to the mean of the photo below, in each channel, at least


def paste(
    photos: UInt8[np.ndarray, "n h w c"],
    digits: UInt8[np.ndarray, "m side side 1"],
    classes: Int64[np.ndarray, " m"],
    seed: int,
) -> tuple[UInt8[np.ndarray, "n h w c"], Int64[np.ndarray, "n h w"]]:
    """Paste a digit on each photo: which, how large, where and in which color is drawn at random."""
    random = np.random.default_rng(seed)
    images, labels = photos.copy(), np.zeros(photos.shape[:3], np.int64)
    for image, label in zip(images, labels, strict=True):
        chosen, side = random.integers(len(digits)), int(random.integers(_SMALLEST, _LARGEST + 1))
        top, left = (random.integers(n - side + 1) for n in label.shape)
        ink = np.asarray(
            Image.fromarray(digits[chosen, ..., 0]).resize((side, side), Image.Resampling.BILINEAR)
        )
        place = slice(top, top + side), slice(left, left + side)
        image[place] = _inked(image[place], ink, random)
        label[place][ink >= _INK] = 1 + classes[chosen]
    return images, labels


def _inked(
    photo: UInt8[np.ndarray, "h w c"], ink: UInt8[np.ndarray, "h w"], random: np.random.Generator
) -> UInt8[np.ndarray, "h w c"]:
    """Blend a color in where ink is; modulo 256 it is far from the photo's mean, and else may be any."""
    mean = photo.mean(axis=(0, 1)).astype(int)
    color = (mean + random.integers(_CONTRAST, 256 - _CONTRAST, mean.shape)) % 256
    share = ink[..., None] / 255
    return np.asarray(np.rint((1 - share) * photo + share * color), np.uint8)
