"""Lay out images that a model makes."""

import inspect
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from dfm import metrics
from experiments import latents
from experiments.run import Run

SIDE = 10  # images in a row
_ROWS = 10
_GAP = 2
_SIZED = 4  # images shown at several sizes


def grid(images: Float[np.ndarray, "n h w c"], columns: int = SIDE) -> UInt8[np.ndarray, "hh ww c"]:
    """Lay images in [0, 1] out in rows, on white."""
    count, height, width, channels = images.shape
    lines = -(-count // columns)
    sheet = np.ones((lines * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, channels))
    for i, picture in enumerate(images):
        y, x = (
            _GAP + place * (side + _GAP)
            for place, side in zip(divmod(i, columns), (height, width), strict=True)
        )
        sheet[y : y + height, x : x + width] = picture
    return as_bytes(sheet)


def as_bytes(images: Float[np.ndarray, "*n h w c"]) -> UInt8[np.ndarray, "*n h w c"]:
    """Round images in [0, 1], clipped, to bytes."""
    return np.asarray(np.rint(255 * np.clip(images, 0, 1)), np.uint8)


def psnr(a: Float[np.ndarray, "n h w c"], b: Float[np.ndarray, "n h w c"]) -> float:
    """Give the PSNR of the mean error of images, in dB; under noise they may leave [0, 1]."""
    return float(-10 * np.log10(np.mean((a - b) ** 2)))


def mean_psnr(a: UInt8[np.ndarray, "n h w c"], b: UInt8[np.ndarray, "n h w c"]) -> float:
    """Average the PSNR of images, in dB."""
    return round(float(np.mean([metrics.psnr(*pair) for pair in zip(a, b, strict=True)])), 4)


def of_latents(training: Run, model: Any) -> dict[str, UInt8[np.ndarray, "hh ww c"]]:
    """Show test images over their reconstructions, and ways between latents that are no codes, by name."""
    if not hasattr(model, "encode"):
        return {}
    images = training.images.test.images[: SIDE * _ROWS // 2]
    z = latents.encode(model, images)
    found = {"reconstructions": grid(_alternating(images / 255, latents.decode(model, z)))}
    if not np.issubdtype(z.dtype, np.integer):
        found["interpolations"] = grid(latents.decode(model, _between(z)))
    return found


def sizes(training: Run, model: Any) -> dict[str, UInt8[np.ndarray, "hh ww c"]]:
    """Show some test images' latents at 1, 2 and 10 times the size, where the model can."""
    if "scale" not in inspect.signature(getattr(model, "decode", len)).parameters:
        return {}
    z = latents.encode(model, training.data.test.images[:_SIZED])
    shown = [latents.decode(model, z, scale) for scale in (1, 2, 10)]
    height, width = shown[-1].shape[1:3]
    padded = [
        np.pad(x, ((0, 0), (0, height - x.shape[1]), (0, width - x.shape[2]), (0, 0)), constant_values=1)
        for x in shown
    ]
    return {"sizes": grid(np.concatenate(padded), _SIZED)}


def _alternating(
    images: Float[np.ndarray, "n h w c"], others: Float[np.ndarray, "n h w c"]
) -> Float[np.ndarray, "n2 h w c"]:
    """Put a row of the one over a row of the other; what a last row lacks is white."""
    lacking = [(0, -len(images) % SIDE), (0, 0), (0, 0), (0, 0)]
    both = [np.pad(x, lacking, constant_values=1) for x in (images, others)]
    return np.concatenate([x[i : i + SIDE] for i in range(0, len(both[0]), SIDE) for x in both])


def _between(z: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, "n2 ..."]:
    """Go straight from one latent to the next, a way a row."""
    ways = min(_ROWS, len(z) - 1)
    share = np.linspace(0, 1, SIDE, dtype=np.float32).reshape(-1, *[1] * (z.ndim - 1))
    return np.concatenate([(1 - share) * z[i] + share * z[i + 1] for i in range(ways)])
