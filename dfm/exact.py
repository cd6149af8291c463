"""Evaluate networks of Fourier layers (thesis, eq. 4.5) in integers: the same on every machine.

Positions and activations have 16 fractional bits, cosines 15 (docs/format.md). Sums of products run in
float64, for the speed of its matrix product, and stay integers below 2^53: no order of additions, fused
operation or number of threads changes a bit.
"""

import concurrent.futures
import functools
import os
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float64, Int, Int64, UInt8, UInt16

from dfm.container import DAMAGED, FormatError

PHASE_BITS = 16
AMPLITUDE_BITS = 15
WEIGHT_BITS = 16

_TURN = 1 << PHASE_BITS
_LEVELS = 256
_LARGEST_SUM = 1 << 52
_BLOCK_VALUES = 1 << 17  # features at a time: 1 MiB, about what a core caches
_STRIP = 1 << 16  # points between looks at an interrupt
_KERNEL_ROWS = 4
_SMALL_PRODUCT = 1 << 18  # multiplications that OpenBLAS keeps on one thread

_Fill = Callable[[UInt16[np.ndarray, "m points"], UInt16[np.ndarray, "k points"]], None]


def positions(
    size: int, start: int = 0, stop: int | None = None, *, span: int = _TURN // 2
) -> Int64[np.ndarray, " n"]:
    """Spread the centers of `size` pixels evenly over `span` units around 0, halves rounded up.

    Gives those of the pixels from `start` to `stop`.
    """
    i = np.arange(start, size if stop is None else stop, dtype=np.int64)
    return (span * (2 * i + 1 - size) + size) // (2 * size)


def image(
    layers: Sequence[Int[np.ndarray, "_f _n"]],
    columns: Int64[np.ndarray, " w"],
    rows: Int64[np.ndarray, " h"],
    *,
    first: Int[np.ndarray, "k 2"] | None = None,
    bits: int = WEIGHT_BITS,
    threads: int | None = None,
) -> UInt8[np.ndarray, "h w c"]:
    """Evaluate a network, as `Network` takes it, at every position (columns[x], rows[y]).

    Runs on `threads` threads, by default as many as there are processors.
    """
    out = np.empty((len(rows) * len(columns), layers[-1].shape[1]), np.uint8)

    def strip(start: int) -> None:
        network = Network(layers, 2, first=first, bits=bits)
        stop = min(start + _STRIP, len(out))
        for at in range(start, stop, network.block):
            y, x = np.divmod(np.arange(at, min(at + network.block, stop)), len(columns))
            out[at : at + len(x)] = pixels(network(np.stack([columns[x], rows[y]]))).T

    starts = range(0, len(out), _STRIP)
    with concurrent.futures.ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        list(pool.map(strip, starts))
    return out.reshape(len(rows), len(columns), -1)


def pixels(u: Int64[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """Give round(127.5 tanh(u) + 127.5), halves rounded up, of activations `u`."""
    return np.searchsorted(thresholds(), u, side="right").astype(np.uint8)


class Network:
    """Evaluate Fourier layers, from positions to activations, in blocks of points.

    A layer is an array of coefficients with `bits` fractional bits: a row for the cosine of each frequency,
    then one for the sine of each frequency but zero. Frequencies are {0,1}^m, the first component fastest, or
    in the first layer the rows of `first`, if given. A layer as wide as its input adds its input.

    Raises:
        FormatError: rows and frequencies do not match, or coefficients are so large that a sum may pass 2^52.
    """

    def __init__(
        self,
        layers: Sequence[Int[np.ndarray, "_f _n"]],
        inputs: int,
        *,
        first: Int[np.ndarray, "k m"] | None = None,
        bits: int = WEIGHT_BITS,
    ) -> None:
        widths = [inputs, *(w.shape[1] for w in layers)]
        frequencies = [np.arange(1 << m)[:, None] >> np.arange(m) & 1 for m in widths[:-1]]
        fills: list[_Fill] = [_double] * len(layers)
        if first is not None:
            frequencies[0], fills[0] = first, functools.partial(_multiply, first.astype(np.uint16))
        columns = [_columns(w, k) for w, k in zip(layers, frequencies, strict=True)]
        self._layers = list(zip(fills, columns, widths[1:], strict=True))
        self._shift = bits + AMPLITUDE_BITS - PHASE_BITS
        largest = max(len(k) for k in frequencies)
        self.block = max(64, _BLOCK_VALUES // (2 * largest))
        self._phases = np.empty((largest, self.block), np.uint16)
        self._indices = np.empty((largest, self.block), np.int64)
        self._features = np.empty((2 * largest, self.block))

    def __call__(self, x: Int64[np.ndarray, "m points"]) -> Int64[np.ndarray, "n points"]:
        """Give the output of the last layer, before tanh, at up to `block` positions."""
        for fill, w, n in self._layers:
            y = _product(w, self._basis(fill, x, w.shape[1] // 2))
            y += 1 << self._shift - 1
            y *= 0.5**self._shift
            z = np.floor(y[:n]).astype(np.int64)
            x = z + x if z.shape == x.shape else z
        return x

    def _basis(
        self, fill: _Fill, x: Int64[np.ndarray, "m points"], count: int
    ) -> Float64[np.ndarray, "f points"]:
        """Look up the cosines of all k.x, then the sines (`mode` only spares NumPy a copy)."""
        block = (slice(count), slice(x.shape[1]))
        phases, indices, features = self._phases[block], self._indices[block], self._features[:, block[1]]
        fill(x.astype(np.uint16), phases)
        np.copyto(indices, phases)
        np.take(cosines(), indices, out=features[:count], mode="clip")
        np.take(cosines()[3 * _TURN // 4 :], indices, out=features[count : 2 * count], mode="clip")
        return features[: 2 * count]


def _double(x: UInt16[np.ndarray, "m points"], out: UInt16[np.ndarray, "k points"]) -> None:
    """Write k.x modulo one turn for k in {0,1}^m: each component doubles the rows."""
    out[0] = 0
    for j, row in enumerate(x):
        np.add(out[: 1 << j], row, out=out[1 << j : 2 << j])


def _multiply(
    k: UInt16[np.ndarray, "k m"], x: UInt16[np.ndarray, "m points"], out: UInt16[np.ndarray, "k points"]
) -> None:
    """Write k.x modulo one turn for the rows of `k`."""
    out[:] = 0
    for column, row in zip(k.T, x, strict=True):
        out += column[:, None] * row


def _columns(w: Int[np.ndarray, "f n"], k: Int[np.ndarray, "k m"]) -> Float64[np.ndarray, "rows columns"]:
    """Transpose coefficients for the matrix product, which is fastest with whole fours of rows.

    The sine of frequency zero, which is 0, gets a column of zeros.
    """
    kept = np.concatenate([np.full(len(k), True), np.any(k, axis=1)])
    count = np.count_nonzero(kept)
    if len(w) != count:
        raise FormatError(f"a layer has {len(w)} rows of coefficients, not {count}; {DAMAGED}")
    out = np.zeros((-(-w.shape[1] // _KERNEL_ROWS) * _KERNEL_ROWS, len(kept)))
    out[: w.shape[1], kept] = w.T
    if np.abs(out).sum(axis=1).max() >= _LARGEST_SUM >> AMPLITUDE_BITS:
        raise FormatError(f"the coefficients of a layer are too large; {DAMAGED}")
    return out


def _product(
    w: Float64[np.ndarray, "rows f"], features: Float64[np.ndarray, "f points"]
) -> Float64[np.ndarray, "rows points"]:
    """Multiply in pieces too small for OpenBLAS to share among threads.

    Its threads wait for each other: two, on a busy machine of two processors, took ten times longer than one.
    """
    step = max(1, _SMALL_PRODUCT // (len(w) * features.shape[1]))
    y: Float64[np.ndarray, "rows points"] = w[:, :step] @ features[:step]
    for at in range(step, len(features), step):
        y += w[:, at : at + step] @ features[at : at + step]
    return y


@functools.cache
def cosines() -> Float64[np.ndarray, " entries"]:
    """Give round(2^15 cos(2 pi i / 2^16)) for 7/4 of a turn: the sines begin at 3/4.

    No value lies within 1e-6 of a rounding tie (a test holds it), so every libm gives the same integers.
    """
    quarter = np.rint(np.cos(np.arange(_TURN // 4 + 1) * (2 * np.pi / _TURN)) * (1 << AMPLITUDE_BITS))
    half = np.concatenate([quarter, -quarter[-2::-1]])
    turn = np.concatenate([half, half[-2:0:-1]])
    return np.concatenate([turn, turn[: 3 * _TURN // 4]])


@functools.cache
def thresholds() -> Int64[np.ndarray, "255"]:
    """Give the least activation of each level 1..255: level p begins at atanh((2p - 256) / 255).

    No value but that of level 128, exactly 0, lies within 1e-6 of an integer (a test holds it).
    """
    p = np.arange(1, _LEVELS)
    return np.ceil(np.log((2 * p - 1) / (2 * _LEVELS - 1 - 2 * p)) * (_TURN / 2)).astype(np.int64)
