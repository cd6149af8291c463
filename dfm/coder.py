"""Code classes by a range coder whose frequencies are integers (docs/format.md, section 3)."""

from collections.abc import Iterator

import constriction
import numpy as np
from jaxtyping import Float32, Int, Int64

from dfm.container import FormatError

TOTAL_BITS = 24

_CHUNK_BITS = 16
_DAMAGED = "the coded numbers of the .dfm file are damaged; get it again"
_CLASSES = constriction.stream.model.Categorical(perfect=False)
_UNIFORM = constriction.stream.model.Uniform()

Integers = Int[np.ndarray, "*n"]


class Encoder:
    """Collect classes and plain bits in order, then give their bytes."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()

    def classes(self, symbols: Integers, shares: Float32[np.ndarray, "n classes"]) -> None:
        """Append a class for each row of `shares`, as the function `shares` gives them."""
        self._coder.encode(symbols.astype(np.int32), _CLASSES, shares)

    def plain(self, values: Integers, widths: Integers) -> None:
        """Append the `widths` low bits of each value, the lowest 16 of all values first."""
        for chosen, start, size in _chunks(widths):
            chunk = values[chosen] >> start & size - 1
            self._coder.encode(chunk.astype(np.int32), _UNIFORM, size.astype(np.int32))

    def finish(self) -> bytes:
        """Give the shortest bytes that decode to what was put when zeros follow them."""
        position, (lower, span) = self._coder.pos()
        sealed = self._coder.get_compressed()[: position + 1].astype(">u4").tobytes()
        low = (int.from_bytes(sealed, "big") << 32) - (-lower % 2**32)  # sealing rounds up to a word
        size, unit = 4 * position, 64
        while (number := -(-low >> unit)) << unit >= low + span:
            size, unit = size + 1, unit - 8
        return bytes(number.to_bytes(size, "big").rstrip(b"\0"))


class Decoder:
    """Give classes and plain bits back, in the same calls in which an `Encoder` took them."""

    def __init__(self, data: bytes) -> None:
        words = np.frombuffer(data + bytes(8 + -len(data) % 4), ">u4")
        self._coder = constriction.stream.queue.RangeDecoder(words.astype(np.uint32))

    def classes(self, shares: Float32[np.ndarray, "n classes"]) -> Int[np.ndarray, " n"]:
        """Decode a class for each row of `shares`.

        Raises:
            FormatError: the data hold no such classes.
        """
        try:
            return np.asarray(self._coder.decode(_CLASSES, shares))
        except AssertionError as error:  # constriction met a state that no encoder reaches
            raise FormatError(_DAMAGED) from error

    def plain(self, widths: Integers) -> Int64[np.ndarray, " n"]:
        """Decode so many plain bits for each width.

        Raises:
            FormatError: the data hold no such bits.
        """
        values = np.zeros(len(widths), np.int64)
        try:
            for chosen, start, size in _chunks(widths):
                values[chosen] |= (
                    self._coder.decode(_UNIFORM, size.astype(np.int32)).astype(np.int64) << start
                )
        except AssertionError as error:
            raise FormatError(_DAMAGED) from error
        return values


def int32(values: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """Give decoded `values` back.

    Raises:
        FormatError: one is no int32.
    """
    if np.any(values != values.astype(np.int32)):
        raise FormatError(_DAMAGED)
    return values


def shares(
    mass: Int64[np.ndarray, "tables classes"], *, rest: int = 0
) -> Float32[np.ndarray, "tables classes"]:
    """Scale `mass` to frequencies of sum 2^24, each at least 1, and give them less 1.

    What rounding leaves goes to the class `rest`. That is how constriction's fast categorical model wants it:
    it scales floats to the sum 2^24 - classes and adds 1 to each. These have that sum already, so its scale
    is 1.0, its values are integers below 2^24, exact in float32: the tables alone decide (a test holds it).
    """
    free = (1 << TOTAL_BITS) - mass.shape[1]
    out = free * mass // mass.sum(axis=1, keepdims=True)
    out[:, rest] += free - out.sum(axis=1)
    return np.asarray(out, np.float32)


def costs(shares: Float32[np.ndarray, "tables classes"]) -> np.ndarray:
    """Give the bits of each class."""
    return np.asarray(TOTAL_BITS - np.log2(shares.astype(np.float64) + 1))


def _chunks(widths: Integers) -> Iterator[tuple[Integers, int, Integers]]:
    """Cut plain bits, lowest first, into chunks of at most 16: positions, first bit, sizes of alphabets."""
    for start in range(0, int(widths.max(initial=0)), _CHUNK_BITS):
        chosen = np.flatnonzero(widths > start)
        yield chosen, start, 1 << np.minimum(widths[chosen] - start, _CHUNK_BITS)
