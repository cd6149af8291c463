"""Double grids, and sharpen them, by separable symmetric filters of four learned taps."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dfm.codecs.latent import planes
from dfm.codecs.latent.planes import Planes

_SIZE = 64  # inputs of a block: products with dense blocks of the banded matrix beat convolutions on a CPU

Taps = Float[Array, "4"]
Bands = Float[np.ndarray, "4 out inputs"]


def doubled(x: Planes, taps: Taps) -> Planes:
    """Double both sides by an 8-tap filter, the outer taps first; edges are repeated."""
    for axis in (1, 2):
        x = _filtered(x, taps, axis, _doubling, 2, "edge")
    return x


def sharpened(x: Planes, taps: Taps) -> Planes:
    """Filter both axes by a 7-tap filter, the outer taps first; zeros surround the grid."""
    for axis in (1, 2):
        x = _filtered(x, taps, axis, _sharpening, 3, "constant")
    return x


def _filtered(
    x: Planes, taps: Taps, axis: int, bands: Callable[[int], Bands], reach: int, mode: str
) -> Planes:
    size = max(min(_SIZE, x.shape[axis]), 2 * reach)
    matrix = jnp.tensordot(taps, jnp.asarray(bands(size)), 1)
    parts = planes.overlapped(x, axis, size, reach, reach, mode)
    y = jnp.einsum("oi,cbiw->cbow" if axis == 1 else "oi,chbi->chbo", matrix, parts)
    joined = y.reshape(*x.shape[:axis], -1, *x.shape[axis + 1 :])
    return jax.lax.slice_in_dim(joined, 0, x.shape[axis] * len(matrix) // size, axis=axis)


@functools.cache
def _doubling(n: int) -> Bands:
    """Give the matrix of each tap, from `n` inputs and two more on both sides."""
    bands, at = np.zeros((4, 2 * n, n + 4), np.float32), np.arange(n)
    for i in range(4):
        bands[i, 2 * at, at + i] = bands[i, 2 * at + 1, at + 4 - i] = 1
    return bands


@functools.cache
def _sharpening(n: int) -> Bands:
    """Give the matrix of each tap, from `n` inputs and three more on both sides."""
    bands, at = np.zeros((4, n, n + 6), np.float32), np.arange(n)
    for i in range(4):
        bands[i, at, at + i] = bands[i, at, at + 6 - i] = 1
    return bands
