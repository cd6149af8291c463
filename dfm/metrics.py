"""Measure how far a decoded image is from its original, and how far one codec is ahead of another.

Every metric is over all channels, alpha included, of 8-bit values: a mean of channels, as in learned
compression, and not that of luma alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

PEAK = 255
SSIM_SIDE = 11
MS_SSIM_SIDE = 176

_SIGMA = 1.5
_C1 = (0.01 * PEAK) ** 2
_C2 = (0.03 * PEAK) ** 2
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def psnr(a: UInt8[np.ndarray, "h w *c"], b: UInt8[np.ndarray, "h2 w2 *c2"]) -> float:
    """Compute the peak signal-to-noise ratio in dB, from the mean squared error of all values; inf if equal.

    Raises:
        ValueError: the images differ in shape, or are not of uint8.
    """
    x, y = _pair(a, b, 1)
    mse = np.mean(np.square(x - y))
    return float(10 * np.log10(PEAK**2 / mse)) if mse > 0 else float("inf")


def ssim(a: UInt8[np.ndarray, "h w *c"], b: UInt8[np.ndarray, "h2 w2 *c2"]) -> float:
    """Compute the structural similarity, at most 1, in 11 x 11 Gaussian windows (Wang et al., IEEE TIP 2004).

    Raises:
        ValueError: the images differ in shape, are not of uint8, or have a side under 11.
    """
    similarity, _ = _similarities(*_pair(a, b, SSIM_SIDE))
    return float(np.mean(similarity))


def ms_ssim(a: UInt8[np.ndarray, "h w *c"], b: UInt8[np.ndarray, "h2 w2 *c2"]) -> float:
    """Compute the multi-scale structural similarity (Wang et al., Asilomar 2003), 0 to 1, at its five scales.

    Raises:
        ValueError: the images differ in shape, are not of uint8, or have a side under 176.
    """
    x, y = _pair(a, b, MS_SSIM_SIDE)
    product = np.ones(x.shape[2])
    for scale, weight in enumerate(_SCALE_WEIGHTS, 1):
        similarity, contrast = _similarities(x, y)
        last = scale == len(_SCALE_WEIGHTS)
        product *= np.maximum(similarity if last else contrast, 0) ** weight
        x, y = _halve(x), _halve(y)
    return float(np.mean(product))


def bits_per_pixel(n_bytes: int, shape: Sequence[int]) -> float:
    """Spread the bits of a file over the pixels of an image of `shape` [H, W, ...]."""
    return 8 * n_bytes / (shape[0] * shape[1])


def bd_rate(
    reference_rows: Iterable[Mapping[str, Any]],
    rows: Iterable[Mapping[str, Any]],
    *,
    min_overlap: float = 0.0,
) -> float:
    """Compute how many percent more bytes than a reference a codec needs at equal PSNR; below 0 is better.

    Bjontegaard (VCEG-M33), with a PCHIP through log rates over the PSNR that both curves reach. Left out are
    points without loss, and points that a file of no more bytes matches or beats: nobody would choose them.

    Args:
        reference_rows: points of one image in any order, each with "bpp" and "psnr_db" (None: no loss).
        rows: the same of the other codec.
        min_overlap: the least part of the PSNR of either curve that both must reach, 0 to 1.

    Raises:
        ValueError: a curve has fewer than two points, or they overlap too little.
    """
    import bjontegaard

    curves = [_curve(reference_rows), _curve(rows)]
    spans = [(curve[0, 1], curve[-1, 1]) for curve in curves]
    low, high = max(s[0] for s in spans), min(s[1] for s in spans)
    union = max(s[1] for s in spans) - min(s[0] for s in spans)
    if high <= low or (high - low) / union < min_overlap:
        told = " and ".join(f"{s[0]:.1f} to {s[1]:.1f} dB" for s in spans)
        raise ValueError(f"the curves overlap too little: {told}; measure more qualities")
    (rate, quality), (other_rate, other_quality) = (curve.T for curve in curves)
    options = {"method": "pchip", "require_matching_points": False, "min_overlap": 0}
    return float(bjontegaard.bd_rate(rate, quality, other_rate, other_quality, **options))


def _curve(rows: Iterable[Mapping[str, Any]]) -> Float[np.ndarray, "n 2"]:
    """Sort (bpp, psnr_db), and keep the points of finite PSNR above that of every cheaper one."""
    points = [(row["bpp"], row["psnr_db"]) for row in rows if row["psnr_db"] is not None]
    kept: list[tuple[float, float]] = []
    for rate, quality in sorted(points, key=lambda point: (point[0], -point[1])):
        if np.isfinite(quality) and (not kept or quality > kept[-1][1]):
            kept.append((rate, quality))
    if len(kept) < 2:
        raise ValueError(f"a rate-distortion curve has {len(kept)} usable points; give at least 2")
    return np.array(kept)


def _pair(
    a: UInt8[np.ndarray, "h w *c"], b: UInt8[np.ndarray, "h2 w2 *c2"], least: int
) -> tuple[Float[np.ndarray, "h w c"], Float[np.ndarray, "h w c"]]:
    """Check two images and give them as [H, W, C] of float64."""
    if a.shape != b.shape or a.ndim not in (2, 3) or a.size == 0:
        raise ValueError(f"the images have shapes {a.shape} and {b.shape}; give two of one shape [H, W(, C)]")
    if a.dtype != np.uint8 or b.dtype != np.uint8:
        raise ValueError(f"the images are of {a.dtype} and {b.dtype}; give uint8, 0 to 255")
    if min(a.shape[:2]) < least:
        raise ValueError(f"the images are {a.shape[1]} x {a.shape[0]} pixels; give at least {least} a side")
    x, y = (image.reshape(*image.shape[:2], -1).astype(np.float64) for image in (a, b))
    return x, y


def _similarities(
    x: Float[np.ndarray, "h w c"], y: Float[np.ndarray, "h w c"]
) -> tuple[Float[np.ndarray, " c"], Float[np.ndarray, " c"]]:
    """Average SSIM, and its factor of contrast and structure, over all windows that lie inside the image."""
    mean_x, mean_y = _blur(x), _blur(y)
    variance = _blur(x * x) + _blur(y * y) - mean_x**2 - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    contrast = (2 * covariance + _C2) / (variance + _C2)
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    return np.mean(luminance * contrast, axis=(0, 1)), np.mean(contrast, axis=(0, 1))


def _blur(x: Float[np.ndarray, "h w c"]) -> Float[np.ndarray, "h2 w2 c"]:
    from scipy import ndimage

    radius = SSIM_SIDE // 2
    inside = (slice(radius, -radius), slice(radius, -radius))
    return np.asarray(ndimage.gaussian_filter(x, _SIGMA, axes=(0, 1), radius=radius)[inside])


def _halve(x: Float[np.ndarray, "h w c"]) -> Float[np.ndarray, "h2 w2 c"]:
    """Average 2 x 2 pixels; an odd last row or column is left out."""
    h, w = x.shape[0] // 2, x.shape[1] // 2
    blocks = x[: 2 * h, : 2 * w].reshape(h, 2, w, 2, -1)
    return np.asarray(np.mean(blocks, axis=(1, 3)))
