"""Code integers by a range coder whose probabilities come from integer tables alone (docs/format.md).

A code 0..127 stands for a two-sided geometric distribution, 128..255 for a discrete Gaussian; both widen with
the code, by an octave every eight codes. An integer is coded as its class, then plain bits that choose within
the class; small magnitudes have a class each.
"""

import functools
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Float64, Int64

from dfm import coder
from dfm.coder import Integers

CODES = 256

_GAUSSIAN = 128  # the first code of the second shape
_GEOMETRIC_TABLES, _GAUSSIAN_TABLES = 56, 44
_OCTAVE = 8  # codes after which the widest tables repeat, with one more low bit plain
_WIDTHS = np.array([0] * 8 + [1] * 4 + [2] * 4 + [3] * 4 + [6, 7, 8, 9, 12, 16, 20, 24, 28, 31], np.int64)
_LOWS = np.cumsum(1 << _WIDTHS) - (1 << _WIDTHS)
_TAIL = 128  # magnitudes from here on get the least frequency
_EXPONENT_BITS, _POWER_BITS = 9, 31
_RUN = 4096  # integers whose classes come before their plain bits


def table(code: int) -> Int64[np.ndarray, " classes"]:
    """Give the frequencies, of sum 2^24, of the 59 classes: 0, +1, -1, +2, -2, ... by rising magnitude."""
    return np.asarray(_tables()[_split(code)[0]] + 1, np.int64)


def bits(q: Integers, codes: int | Integers) -> float:
    """Give the cost of `q` in bits; the coder adds less than a byte to the cost of all it codes."""
    index, shift = _split(np.broadcast_to(codes, np.shape(q)))
    symbols, widths, _ = _classify(np.asarray(q, np.int64), shift)
    return float(np.sum(_costs()[index, symbols]) + np.sum(widths))


def best_code(q: Integers) -> int:
    """Find the code under which `q` costs the fewest bits."""
    values, counts = np.unique(np.asarray(q, np.int64), return_counts=True)
    index, shift = _split(np.arange(CODES)[:, None])
    symbols, widths, _ = _classify(values, shift)
    return int(np.argmin((_costs()[index, symbols] + widths) @ counts))


def encode(parts: Sequence[tuple[Integers, int]]) -> bytes:
    """Code arrays of int32 values, each with its code."""
    encoder = coder.Encoder()
    for q, code in parts:
        put(encoder, q, code)
    return encoder.finish()


def decode(data: bytes, parts: Sequence[tuple[int, int]]) -> list[Int64[np.ndarray, " n"]]:
    """Invert `encode`, given the length and the code of each array.

    Raises:
        FormatError: `data` hold no such integers.
    """
    decoder = coder.Decoder(data)
    return [take(decoder, np.full(count, code)) for count, code in parts]


def put(encoder: coder.Encoder, q: Integers, codes: int | Integers) -> None:
    """Append int32 values, with one code for all or one for each."""
    q, codes = np.broadcast_arrays(q, codes)
    for at in range(0, len(q), _RUN):
        index, shift = _split(codes[at : at + _RUN])
        symbols, widths, extras = _classify(q[at : at + _RUN].astype(np.int64), shift)
        encoder.classes(symbols, _tables()[index])
        encoder.plain(extras, widths)


def take(decoder: coder.Decoder, codes: Integers) -> Int64[np.ndarray, " n"]:
    """Decode one int32 value for each code.

    Raises:
        FormatError: the data hold no such integers.
    """
    runs = [_take(decoder, codes[at : at + _RUN]) for at in range(0, len(codes), _RUN)]
    return np.concatenate([np.empty(0, np.int64), *runs])


def _take(decoder: coder.Decoder, codes: Integers) -> Int64[np.ndarray, " n"]:
    index, shift = _split(codes)
    symbols = decoder.classes(_tables()[index])
    kinds = (symbols + 1) // 2
    extras = decoder.plain(_WIDTHS[kinds] + shift)
    magnitude = _LOWS[kinds] + (extras >> shift)
    h = np.where(symbols % 2, magnitude, -magnitude)
    return coder.int32((h << shift) + (extras & (1 << shift) - 1) - (1 << shift >> 1))


def _split(codes: int | Integers) -> tuple[Integers, Integers]:
    """Split codes into the index of a table and the number of low bits that are plain."""
    codes = np.asarray(codes, np.int64)
    gaussian = codes >= _GAUSSIAN
    tables = np.where(gaussian, _GAUSSIAN_TABLES, _GEOMETRIC_TABLES)
    scale = codes - _GAUSSIAN * gaussian
    shift = np.maximum((scale - tables) // _OCTAVE + 1, 0)
    return scale - _OCTAVE * shift + _GEOMETRIC_TABLES * gaussian, shift


def _classify(q: Integers, shift: Integers) -> tuple[Integers, Integers, Integers]:
    """Give the class, the number of plain bits and their value, for q = 2^shift h + low with centered low."""
    shifted = q + (1 << shift >> 1)
    h = shifted >> shift
    kinds = np.searchsorted(_LOWS, np.abs(h), side="right") - 1
    low = shifted - (h << shift)
    return 2 * kinds - (h > 0), _WIDTHS[kinds] + shift, (np.abs(h) - _LOWS[kinds] << shift) | low


@functools.cache
def _tables() -> Float32[np.ndarray, "tables classes"]:
    mass = np.zeros((_GEOMETRIC_TABLES + _GAUSSIAN_TABLES, len(_LOWS)), np.int64)
    mass[:, _LOWS < _TAIL] = np.add.reduceat(_weights(), _LOWS[_LOWS < _TAIL], axis=1)
    return coder.shares(np.repeat(mass, np.where(_LOWS, 2, 1), axis=1))


def _weights() -> Int64[np.ndarray, "tables magnitudes"]:
    """Give 2^(-a h) for geometric and 2^(-a h^2) for Gaussian tables, h = 0..127, in units of 2^-31."""
    h = np.arange(_TAIL, dtype=np.int64)
    code = np.arange(_GEOMETRIC_TABLES)[:, None]
    geometric = (16 - code % 8) * h << _EXPONENT_BITS - code // 8
    code = code[:_GAUSSIAN_TABLES]
    gaussian = (8 - code % 4) * h**2 << _EXPONENT_BITS + 1 - code // 4
    return power(np.concatenate([geometric, gaussian]))


def power(exponents: Int64[np.ndarray, "*shape"]) -> Int64[np.ndarray, "*shape"]:
    """Give 2^(31 - x / 2^9) for integers x >= 0, from square roots of 1/2, each product rounded down."""
    out, root = np.full_like(exponents, 1 << _POWER_BITS), 1 << _POWER_BITS - 1
    for bit in reversed(range(_EXPONENT_BITS)):
        root = math.isqrt(root << _POWER_BITS)
        out = np.where(exponents >> bit & 1, out * root >> _POWER_BITS, out)
    return np.asarray(out >> np.minimum(exponents >> _EXPONENT_BITS, 63))


@functools.cache
def _costs() -> Float64[np.ndarray, "tables classes"]:
    return coder.costs(_tables())
