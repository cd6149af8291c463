"""Synthesize pixels from the latent grids in integers: the same on every machine.

Activations are in units of 2^-16. Sums of products run in float64 and stay integers below 2^53
(docs/format.md).
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float64, UInt8

from dfm import exact
from dfm.codecs.latent import grids, weights
from dfm.codecs.latent.exact_context import Symbols

_BITS = 16
_MOST = 2.0**28  # of an activation
_STRIP = 8  # rows of 2x2 pixels at a time

Planes = Float64[np.ndarray, "_c _h _w"]


def image(
    w: weights.Integers, symbols: Symbols, size: tuple[int, int], rows: tuple[int, int]
) -> UInt8[np.ndarray, "h w 3"]:
    """Give the pixels of `rows` (from, to) of an image of `size` (height, width)."""
    y = upsampled(w, symbols)
    first, second = _block(w, "synthesis.1"), _block(w, "synthesis.2")
    height = y.shape[1]
    out = np.empty((rows[1] - rows[0], size[1], 3), np.uint8)
    start, stop = rows[0] // 2, -(-rows[1] // 2)
    for at in range(start, stop, _STRIP):
        end = min(at + _STRIP, stop)
        colors = _around(y, at - 1, end + 1, first)
        inner = colors[:, at - max(at - 1, 0) :][:, : end - at]
        found = inner + second(_padded(colors, at == 0, end == height))
        pixels = np.floor((np.clip(found, 0, 1 << _BITS) * 255 + (1 << _BITS - 1)) / (1 << _BITS))
        h, v = found.shape[1:]
        shuffled = pixels.reshape(3, 2, 2, h, v).transpose(3, 1, 4, 2, 0).reshape(2 * h, 2 * v, 3)
        low, high = max(rows[0], 2 * at), min(rows[1], 2 * end)
        out[low - rows[0] : high - rows[0]] = shuffled[low - 2 * at : high - 2 * at, : size[1]]
    return out


def upsampled(w: weights.Integers, symbols: Symbols) -> Planes:
    """Bring the grids to half the size of the image; those of octave 0 become four channels."""
    q = {grid.octave: values * float(1 << _BITS) for grid, values in symbols.items() if not grid.hyper}
    y = q[grids.COARSEST][None]
    for octave in range(grids.COARSEST - 1, 0, -1):
        level, fine = octave - 1, q[octave][None]
        for axis in (1, 2):
            y = _doubled(y, w["upsampling"][level], axis)
        y = np.concatenate(
            [fine + _sharpened(fine, w["sharpening"][level]), y[:, : fine.shape[1], : fine.shape[2]]]
        )
    if 0 in q:
        h, v = y.shape[1:]
        fine = np.pad(q[0], ((0, 2 * h - q[0].shape[0]), (0, 2 * v - q[0].shape[1])))
        y = np.concatenate([fine.reshape(h, 2, v, 2).transpose(1, 3, 0, 2).reshape(4, h, v), y])
    return np.clip(y, -_MOST, _MOST)


def _doubled(x: Planes, taps: np.ndarray, axis: int) -> Planes:
    """Double one axis by an 8-tap symmetric filter; edges are repeated."""
    x = np.moveaxis(x, axis, 0)
    n = len(x)
    padded = np.concatenate([x[:1]] * 2 + [x] + [x[-1:]] * 2)
    out = np.empty((2 * n, *x.shape[1:]))
    out[0::2] = sum(taps[i] * padded[i : i + n] for i in range(4))
    out[1::2] = sum(taps[i] * padded[4 - i : 4 - i + n] for i in range(4))
    return np.moveaxis(_rounded(out), 0, axis)


def _sharpened(x: Planes, taps: np.ndarray) -> Planes:
    """Filter both axes by a 7-tap symmetric filter; zeros surround the grid."""
    for axis in (1, 2):
        x = np.moveaxis(x, axis, 0)
        n = len(x)
        padded = np.pad(x, ((3, 3), (0, 0), (0, 0)))
        y = taps[3] * x
        for i in range(3):
            y = y + taps[i] * (padded[i : i + n] + padded[6 - i : 6 - i + n])
        x = np.moveaxis(_rounded(y), 0, axis)
    return x


def _rounded(x: Planes) -> Planes:
    """Divide by the unit of a weight, halves rounded up, and limit what follows."""
    return np.clip(np.floor(x / (1 << weights.BITS) + 0.5), -_MOST, _MOST)


def _around(y: Planes, low: int, high: int, block: Callable[[Planes], Planes]) -> Planes:
    """Evaluate a block at the rows `low` to `high` that exist."""
    low, high = max(low, 0), min(high, y.shape[1])
    part = y[:, max(low - 1, 0) : high + 1]
    return block(_padded(part, low == 0, high == y.shape[1]))


def _padded(x: Planes, top: bool, bottom: bool) -> Planes:
    """Repeat the edges on both sides, and above and below where the image ends."""
    return np.pad(x, ((0, 0), (int(top), int(bottom)), (1, 1)), mode="edge")


def _block(w: weights.Integers, name: str) -> Callable[[Planes], Planes]:
    """Map 3x3 neighborhoods to colors: linearly, and by a Fourier layer of a few phases."""
    factor, bits = weights.FOURIER_UNIT
    waves = exact.Network([factor * w[f"{name}.fourier"]], weights.PHASES, bits=weights.BITS + bits)
    matrix = w[name] / float(1 << weights.BITS)
    bias = w[f"{name}.bias"][:, None] * 2.0 ** (_BITS - weights.BITS) + 0.5

    def evaluate(padded: Planes) -> Planes:
        h, v = padded.shape[1] - 2, padded.shape[2] - 2
        shifts = [padded[:, i : i + h, j : j + v] for i in range(3) for j in range(3)]
        flat = np.concatenate(shifts).reshape(-1, h * v)
        out = np.empty((weights.COLORS, h * v))
        for at in range(0, h * v, waves.block):
            u = np.floor(matrix @ flat[:, at : at + waves.block] + bias)
            phases = u[weights.COLORS :].astype(np.int64) & (1 << exact.PHASE_BITS) - 1
            out[:, at : at + waves.block] = u[: weights.COLORS] + waves(phases)
        return np.clip(out, -_MOST, _MOST).reshape(-1, h, v)

    return evaluate
