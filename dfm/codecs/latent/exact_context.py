"""Decode the latent grids under the context model in integers: the same on every machine.

Sums of products run in float64 and stay integers, or integers over a power of two, below 2^53
(docs/format.md). A grid is decoded by wavefronts t = x + 2 y. It is kept sheared, element [t, y], so that
what a wavefront needs lies in a window of six rows and three columns before it.
"""

import numpy as np
from jaxtyping import Float64, Int64

from dfm import coder, laplace
from dfm.codecs.latent import grids, weights
from dfm.codecs.latent.grids import Grid
from dfm.container import FormatError

LARGEST = 2**15  # of a symbol

_BITS = 10  # of the fraction of an activation
_MOST = 2.0**26  # of a hidden activation
_MOST_MEAN = 2**20
_BACK, _UP = 6, 2  # rows and columns of the window before an element
_N = len(grids.NEIGHBORS)

Symbols = dict[Grid, Int64[np.ndarray, "_h _w"]]


def decode(decoder: coder.Decoder, w: weights.Integers, finest: int, size: tuple[int, int]) -> Symbols:
    """Decode all grids of an image of `size` (height, width).

    Raises:
        FormatError: the data hold no such grids.
    """
    found: Symbols = {}
    for i, grid in enumerate(grids.order(finest)):
        network = Network(w, i)
        shape = grid.size(*size)
        values = _grid(decoder, network, features(w, grid.octave, found, shape))
        if np.abs(values).max() > LARGEST:
            raise FormatError("a symbol of the .dfm file is out of range; get it again")
        found[grid] = values
    return found


class Network:
    """Evaluate the context model of one grid, the biases and the rounding folded into its matrices."""

    def __init__(self, w: weights.Integers, index: int) -> None:
        n, half = weights.INPUTS, 0.5
        one, residual = 1 << weights.BITS, np.eye(n) * (1 << weights.BITS)
        embedding = w["context.grids"][index] + 2 >> weights.BITS - _BITS
        first = np.concatenate([w["context.1"] + residual, w["context.skip"]])
        bias = np.concatenate([w["context.1.bias"] << _BITS, [0, 0]]) + first @ embedding
        self.first = np.concatenate([_spread(first), bias[:, None]], axis=1)
        self.first[:n] /= one
        self.first[:n, -1] += half
        second = w["context.2"] + residual
        self.second = np.concatenate([second, (w["context.2.bias"] << _BITS)[:, None]], axis=1) / one
        self.second[:, -1] += half
        self.third = np.concatenate([w["context.3"], (w["context.3.bias"] << _BITS)[:, None]], axis=1).astype(
            np.float64
        )
        self._units = np.array([[1 << laplace.MEAN_BITS], [laplace.OCTAVE]]) / 2.0 ** (weights.BITS + _BITS)
        self._zeros = np.array([[0.5], [0.5 + laplace.ZERO]])
        self._least = np.array([[-float(_MOST_MEAN)], [0.0]])
        self._most = np.array([[float(_MOST_MEAN)], [laplace.CODES - 1.0]])

    def __call__(self, x: Float64[np.ndarray, "27 n"]) -> Int64[np.ndarray, "2 n"]:
        """Give means in units of 1/32, and scale codes, of columns of inputs that end with 1."""
        n = weights.INPUTS
        z = self.first @ x
        hidden = np.ones((n + 1, x.shape[1]))
        _activated(z[:n], out=hidden[:n])
        _activated(self.second @ hidden, out=hidden[:n])
        out = self.third @ hidden
        out += z[n:]
        out *= self._units
        out += self._zeros
        np.floor(out, out=out)
        np.minimum(np.maximum(out, self._least, out=out), self._most, out=out)
        return out.astype(np.int64)


def _activated(x: Float64[np.ndarray, "m n"], out: Float64[np.ndarray, "m n"]) -> None:
    """Round down, and limit to 0.._MOST; NumPy's clip takes several times as long for few columns."""
    np.floor(x, out=out)
    np.minimum(np.maximum(out, 0, out=out), _MOST, out=out)


def features(
    w: weights.Integers, octave: int, known: Symbols, shape: tuple[int, int]
) -> Int64[np.ndarray, "8 h w"]:
    """Map what is known of coarser octaves, at the next one, to features of each of its four children."""
    if octave == grids.COARSEST:
        return np.zeros((weights.FEATURES, *shape), np.int64)
    coarser = [(g, v) for g, v in known.items() if g.octave > octave]
    h, v = coarser[-1][1].shape
    seen = [_nearest(values, g.octave - octave - 1)[:h, :v] for g, values in coarser[:-1]]
    padded = np.pad(coarser[-1][1], 1)
    seen += [padded[i : i + h, j : j + v] for i in range(3) for j in range(3)]
    stacked = np.stack(seen).reshape(len(seen), -1).astype(np.float64)
    mapped = w[f"features.{octave}"].astype(np.float64) @ stacked + w[f"features.{octave}.bias"][:, None]
    rounded = np.floor(mapped / (1 << weights.BITS - _BITS) + 0.5).astype(np.int64)
    children = rounded.reshape(-1, 2, 2, h, v).transpose(0, 3, 1, 4, 2).reshape(-1, 2 * h, 2 * v)
    return children[:, : shape[0], : shape[1]]


def neighbors(values: Int64[np.ndarray, "h w"]) -> Float64[np.ndarray, "12 n"]:
    """Give the neighbors of every element, row by row."""
    r, (h, v) = grids.REACH, values.shape
    padded = np.pad(values, ((r, 0), (r, r)))
    views = [padded[r + y : r + y + h, r + x : r + x + v].ravel() for y, x in grids.NEIGHBORS]
    return np.stack(views).astype(np.float64)


def inputs(near: Float64[np.ndarray, "12 n"], far: Int64[np.ndarray, "8 n"]) -> Float64[np.ndarray, "27 n"]:
    """Join neighbors and features to what `Network` takes."""
    window = np.zeros((_BACK * (_UP + 1), near.shape[1]))
    window[_places()] = near
    return np.concatenate([window, far, np.ones((1, near.shape[1]))])


def _grid(
    decoder: coder.Decoder, network: Network, far: Int64[np.ndarray, "8 h w"]
) -> Int64[np.ndarray, "h w"]:
    f, h, w = far.shape
    fronts = w + grids.SLANT * (h - 1)
    stride = w + 1  # from an element to the next one of a wavefront, in rows made longer by the slant
    flat = np.zeros(fronts + _BACK + (h + _UP) * stride)  # zeros part rows, as many as neighbors look beyond
    step, unit = flat.strides[0], stride * flat.strides[0]
    strided = np.lib.stride_tricks.as_strided
    sheared = strided(flat, (fronts + _BACK, h + _UP), (step, unit))
    windows = strided(flat, (fronts, _BACK, _UP + 1, h), (step, step, unit, unit), writeable=False)
    wide = np.pad(far, ((0, 0), (0, 0), (0, grids.SLANT + 1))).reshape(f, -1)
    for t in range(fronts):
        low, high = max(0, -((w - 1 - t) // grids.SLANT)), min(h, t // grids.SLANT + 1)
        x = np.ones((_BACK * (_UP + 1) + f + 1, high - low))
        x[: _BACK * (_UP + 1)] = windows[t, :, :, low:high].reshape(_BACK * (_UP + 1), high - low)
        x[-1 - f : -1] = wide[:, t + low * stride :: stride][:, : high - low]
        sheared[t + _BACK, low + _UP : high + _UP] = laplace.take(decoder, *network(x))
    y, x = np.indices((h, w))
    return np.asarray(sheared[x + grids.SLANT * y + _BACK, y + _UP], np.int64)


def _places() -> list[int]:
    """Give the place of each neighbor in the flattened window."""
    return [(_BACK + x + grids.SLANT * y) * (_UP + 1) + _UP + y for y, x in grids.NEIGHBORS]


def _spread(matrix: Float64[np.ndarray, "m 20"]) -> Float64[np.ndarray, "m 26"]:
    """Spread the columns of the neighbors over the window, in units of symbols."""
    out = np.zeros((len(matrix), _BACK * (_UP + 1) + weights.FEATURES))
    out[:, _places()] = matrix[:, :_N] * (1 << _BITS)
    out[:, _BACK * (_UP + 1) :] = matrix[:, _N:]
    return out


def _nearest(values: Int64[np.ndarray, "h w"], times: int) -> Int64[np.ndarray, "hh ww"]:
    return values.repeat(1 << times, 0).repeat(1 << times, 1)
