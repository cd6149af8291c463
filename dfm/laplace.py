"""Code integers under Laplace's distribution, each with a mean and a scale of its own (docs/format.md).

Means are in units of 1/32. A scale code j stands for the scale 2^((j - 40) / 8). Codes from 56 on use the
tables of eight codes less, as often as need be, and code one more low bit plainly for each time.
"""

import functools

import numpy as np
from jaxtyping import Float32, Float64, Int64

from dfm import coder, entropy
from dfm.coder import Integers

MEAN_BITS = 5
OCTAVE = 8
ZERO = 40  # the code of the scale 1
CODES = 153

_TABLES = 56
_LEAST, _MOST = -15, 16  # offsets from the mean, rounded down, that have a class each; the others escape
_FLOOR_BITS = 13  # of the mass 2^31 that each class has at least: 18 bits are the most that one costs
_LOG2_E = 24_204_406  # in units of 2^-24
_ESCAPE_BITS = 5  # of the number of bits that follow


def put(encoder: coder.Encoder, q: Integers, means: Integers, scales: Integers) -> None:
    """Append integers below 2^30 in magnitude."""
    rows, shift = _rows(means, scales)
    symbols, widths, extras = _classify(q, means, shift)
    encoder.classes(symbols, _tables()[rows])
    for values, width in zip(extras, widths, strict=True):
        encoder.plain(values, width)


def take(decoder: coder.Decoder, means: Integers, scales: Integers) -> Int64[np.ndarray, " n"]:
    """Decode an integer for each mean and scale code.

    Raises:
        FormatError: the data hold no such integers.
    """
    rows, shift = _rows(means, scales)
    symbols = decoder.classes(_tables()[rows])
    h = symbols.astype(np.int64) + (_LEAST - 1)
    escaped = (symbols == 0) | (symbols == _MOST - _LEAST + 2)
    if escaped.any():
        widths = decoder.plain(_ESCAPE_BITS * escaped)
        excess = (1 << widths) - 1 + decoder.plain(widths)
        h += np.where(symbols == 0, -excess, excess)
    q = h
    if shift.any():
        q = (h << shift) + decoder.plain(shift) - (1 << shift >> 1)
    return np.asarray(q + (means >> MEAN_BITS), np.int64)


def bits(q: Integers, means: Integers, scales: Integers) -> Float64[np.ndarray, " n"]:
    """Give the cost of each integer; the coder adds less than a byte to their sum."""
    rows, shift = _rows(means, scales)
    symbols, widths, _ = _classify(q, means, shift)
    return np.asarray(_costs()[rows, symbols] + np.sum(widths, axis=0))


def plain(q: Integers, means: Integers, scales: Integers) -> Int64[np.ndarray, " n"]:
    """Count the plain bits of each integer."""
    _, widths, _ = _classify(q, means, _rows(means, scales)[1])
    return np.asarray(np.sum(widths, axis=0), np.int64)


def table(mean: int, scale: int) -> Int64[np.ndarray, " classes"]:
    """Give the frequencies, of sum 2^24: less than all offsets, -15..16 from the mean rounded down, more."""
    rows, _ = _rows(np.array([mean]), np.array([scale]))
    return np.asarray(_tables()[rows[0]] + 1, np.int64)


def _rows(means: Integers, scales: Integers) -> tuple[Integers, Integers]:
    """Find the row of each table, and the number of low bits that are plain."""
    shift = np.maximum((scales - _TABLES) // OCTAVE + 1, 0)
    fraction = (means & (1 << MEAN_BITS) - 1) >> shift
    return (scales - OCTAVE * shift << MEAN_BITS) + fraction, shift


def _classify(
    q: Integers, means: Integers, shift: Integers
) -> tuple[Integers, tuple[Integers, ...], tuple[Integers, ...]]:
    """Give classes, then widths and values of plain bits: of an escape's length, its excess, low bits."""
    shifted = np.asarray(q, np.int64) - (means >> MEAN_BITS) + (1 << shift >> 1)
    h = shifted >> shift
    symbols = np.clip(h - _LEAST + 1, 0, _MOST - _LEAST + 2)
    excess = np.maximum(np.maximum(_LEAST - 1 - h, h - _MOST - 1), 0)
    escaped = (h < _LEAST) | (h > _MOST)
    lengths = np.where(escaped, np.frexp(excess + 1.0)[1] - 1, 0).astype(np.int64)
    widths = _ESCAPE_BITS * escaped, lengths, shift
    return symbols, widths, (lengths, excess + 1 - (1 << lengths), shifted & (1 << shift) - 1)


@functools.cache
def _tables() -> Float32[np.ndarray, "tables classes"]:
    """Integrate the density over each class, from tails 2^(31 - x / 2^9) with x rounded down."""
    fraction = np.arange(1 << MEAN_BITS)[:, None]
    edges = (2 * np.arange(_LEAST - 1, _MOST + 1) + 1 << MEAN_BITS - 1) - fraction  # in units of 1/32
    rates = _LOG2_E * entropy.power(np.arange(_TABLES, dtype=np.int64) << 6) >> 31
    tails = entropy.power(np.abs(edges) * rates[:, None, None] >> 15) >> 1
    below = np.where(edges < 0, tails, (1 << 31) - tails).reshape(-1, edges.shape[1])
    ends = np.full((len(below), 1), 1 << 31)
    mass = np.diff(np.concatenate([0 * ends, below, ends], axis=1), axis=1)
    return coder.shares(np.maximum(mass, 0) + (1 << _FLOOR_BITS), rest=1 - _LEAST)


@functools.cache
def _costs() -> Float64[np.ndarray, "tables classes"]:
    return coder.costs(_tables())
