"""Turn an image into positions and colors to fit."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8


class Points(NamedTuple):
    """Hold positions in turns, colors in [-1, 1], and the MSE of pixels in [0, 1] that averaging lost.

    An index into the first axis picks the points of a step, in `pixels` an array of them.
    """

    x: Float[Array, "*points 2"]
    y: Float[Array, "*points c"]
    lost: float


def pixels(image: UInt8[np.ndarray, "h w c"]) -> Points:
    """List all pixels."""
    x, y = (jnp.asarray(v.reshape(-1, v.shape[-1]), jnp.float32) for v in averages(image, 1))
    return Points(x, y, 0.0)


def lattices(image: UInt8[np.ndarray, "h w c"], most: float, batch: int, seed: int) -> Points:
    """Average boxes of pixels until at most `most` points are left, in batches that each cover the image."""
    height, width, _ = image.shape
    side = int(np.ceil(np.sqrt(max(1.0, height * width / most))))
    grid, colors = averages(image, side)
    order = _scattered(colors.shape[0], colors.shape[1], batch, seed)
    x, y = (jnp.asarray(v.reshape(-1, v.shape[-1])[order], jnp.float32) for v in (grid, colors))
    return Points(x, y, lost(image, colors))


def averages(
    image: UInt8[np.ndarray, "h w c"], side: int
) -> tuple[Float[np.ndarray, "y x 2"], Float[np.ndarray, "y x c"]]:
    """Average position in turns and color in [-1, 1] over boxes of `side` x `side` pixels."""
    colors = _boxes(_boxes(image / 127.5 - 1, side, 0), side, 1)
    y, x = (_boxes((np.arange(n) + 0.5) / (2 * n) - 0.25, side, 0) for n in image.shape[:2])
    return np.stack(np.meshgrid(x, y), axis=-1), colors


def mean(image: UInt8[np.ndarray, "h w c"]) -> Float[np.ndarray, "1 1 c"]:
    """Average color in [-1, 1] over the whole image."""
    return averages(image, max(image.shape[:2]))[1]


def lost(image: UInt8[np.ndarray, "h w c"], colors: Float[np.ndarray, "y x c"]) -> float:
    """Give the MSE, of pixels in [0, 1], between an image and its averages over equal boxes."""
    return max(0.0, float(np.mean((image / 127.5 - 1) ** 2) - np.mean(colors**2)) / 4)


def _boxes(values: Float[np.ndarray, "*shape"], side: int, axis: int) -> Float[np.ndarray, "*smaller"]:
    edges = np.arange(0, values.shape[axis], side)
    counts = np.diff(np.append(edges, values.shape[axis]))
    sums = np.add.reduceat(values, edges, axis=axis)
    return np.moveaxis(np.moveaxis(sums, axis, -1) / counts, -1, axis)


def _scattered(height: int, width: int, batch: int, seed: int) -> Int[np.ndarray, "batches batch"]:
    """Deal out points to batches as lattices, which cover the image more evenly than random draws."""
    batches = -(-height * width // batch)
    side = int(np.ceil(np.sqrt(batches)))
    phase = np.random.default_rng(seed).permutation(side * side).reshape(side, side)
    y, x = np.divmod(np.arange(height * width), width)
    order = np.argsort(phase[y % side, x % side], kind="stable")
    return np.resize(order, (batches, min(batch, len(order))))
