"""Pack and unpack the stream of an image: base, changes of weights, latent grids (docs/format.md)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from dfm import coder, laplace
from dfm.codecs.latent import exact_context, grids, weight_changes, weights
from dfm.codecs.latent.exact_context import Symbols
from dfm.codecs.latent.weight_changes import Changes
from dfm.container import DAMAGED, FormatError

_CHANGED = 128  # in the first byte, beside the number of the base


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Hold what a stream says, but for its grids, which `decoder` still holds."""

    number: int
    base: weights.Base
    weights: weights.Integers
    changes: Changes | None
    decoder: coder.Decoder


def pack(number: int, changes: Changes | None, symbols: Symbols, size: tuple[int, int]) -> bytes:
    """Give the stream of an image of `size` (height, width)."""
    base, encoder = weights.base(number), coder.Encoder()
    if changes:
        weight_changes.put(encoder, base, changes)
    for codes in coded(weight_changes.apply(base, changes), base.finest, symbols, size):
        laplace.put(encoder, *codes)
    return bytes([number | _CHANGED * (changes is not None)]) + encoder.finish()


def unpack(data: bytes) -> Parts:
    """Read the weights, and leave the grids to `exact_context.decode`.

    Raises:
        FormatError: the data are damaged, or need other base networks than this version has.
    """
    if not data:
        raise FormatError(f"the stream of an image is empty; {DAMAGED}")
    number, decoder = data[0] & _CHANGED - 1, coder.Decoder(data[1:])
    base = weights.base(number)
    changes = weight_changes.take(decoder, base) if data[0] & _CHANGED else None
    changed = weight_changes.apply(base, changes)
    return Parts(number=number, base=base, weights=changed, changes=changes, decoder=decoder)


def coded(
    w: weights.Integers, finest: int, symbols: Symbols, size: tuple[int, int]
) -> Iterator[tuple[Int64[np.ndarray, " n"], ...]]:
    """Give symbols, means and scale codes in the order and in the runs of the decoder.

    Wavefronts make one run, as the decoder cannot tell, but for those with plain bits, each a run of its own.
    """
    known: Symbols = {}
    for i, grid in enumerate(grids.order(finest)):
        values = symbols[grid]
        far = exact_context.features(w, grid.octave, known, grid.size(*size)).reshape(weights.FEATURES, -1)
        means, scales = _blockwise(exact_context.Network(w, i), exact_context.neighbors(values), far)
        y, x = np.indices(values.shape)
        fronts = (x + grids.SLANT * y).ravel()
        order = np.lexsort((y.ravel(), fronts))
        starts = np.flatnonzero(np.diff(fronts[order], prepend=-1))
        alone = np.logical_or.reduceat(laplace.plain(values.ravel(), means, scales)[order] > 0, starts)
        for run in np.split(order, starts[alone | np.append(False, alone[:-1])]):
            yield values.ravel()[run], means[run], scales[run]
        known[grid] = values


def _blockwise(
    network: exact_context.Network, near: Float64[np.ndarray, "12 n"], far: Int64[np.ndarray, "8 n"]
) -> Int64[np.ndarray, "2 n"]:
    size = 1 << 13
    cuts = range(0, near.shape[1], size)
    parts = [network(exact_context.inputs(near[:, at : at + size], far[:, at : at + size])) for at in cuts]
    return np.concatenate(parts, axis=1)
