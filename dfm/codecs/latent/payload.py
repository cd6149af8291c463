"""Pack and unpack the stream of an image: base, changes of weights, latent grids (docs/format.md)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from dfm import coder, entropy, laplace
from dfm.codecs.latent import exact_context, grids, weights
from dfm.codecs.latent.exact_context import Symbols
from dfm.container import DAMAGED, FormatError

STEPS = 12  # codes of the quantization step of a change: 2^0 to 2^11 units of a weight

_CHANGED = 128  # in the first byte, beside the number of the base
_FLAG_CODE, _STEP_CODE, _SCALE_CODE = 16, 36, 60  # of entropy.put


@dataclass(frozen=True, kw_only=True)
class Change:
    """Hold what is added to one weight: integers in units of 2^step units of a weight."""

    step: int
    integers: Int64[np.ndarray, "..."]


Changes = dict[str, Change]


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Hold what a stream says, but for its grids, which `decoder` still holds."""

    number: int
    base: weights.Base
    weights: weights.Integers
    changes: Changes
    decoder: coder.Decoder


def pack(number: int, changes: Changes, symbols: Symbols, size: tuple[int, int]) -> bytes:
    """Give the stream of an image of `size` (height, width)."""
    base, encoder = weights.base(number), coder.Encoder()
    if changes:
        _put_changes(encoder, base, changes)
    changed = apply(base, changes)
    for codes in coded(changed, base.finest, symbols, size):
        laplace.put(encoder, *codes)
    return bytes([number | _CHANGED * bool(changes)]) + encoder.finish()


def unpack(data: bytes) -> Parts:
    """Read the weights, and leave the grids to `exact_context.decode`.

    Raises:
        FormatError: the data are damaged, or need other base networks than this version has.
    """
    if not data:
        raise FormatError(f"the stream of an image is empty; {DAMAGED}")
    number, decoder = data[0] & _CHANGED - 1, coder.Decoder(data[1:])
    base = weights.base(number)
    changes = _take_changes(decoder, base) if data[0] & _CHANGED else {}
    return Parts(
        number=number,
        base=base,
        weights=apply(base, changes),
        changes=changes,
        decoder=decoder,
    )


def apply(base: weights.Base, changes: Changes) -> weights.Integers:
    """Add changes to the weights of the base.

    Raises:
        FormatError: a weight is out of range.
    """
    out = dict(base.weights)
    for name, change in changes.items():
        out[name] = out[name] + (change.integers << change.step)
        if np.abs(out[name]).max() > weights.LARGEST:
            raise FormatError(f"a weight is out of range; {DAMAGED}")
    return out


def bytes_of_changes(base: weights.Base, changes: Changes) -> int:
    """Give the bytes that changes take in a stream."""
    encoder = coder.Encoder()
    if changes:
        _put_changes(encoder, base, changes)
    return len(encoder.finish())


def _put_changes(encoder: coder.Encoder, base: weights.Base, changes: Changes) -> None:
    changed = [(name, changes[name]) for name in weights.shapes(base.finest) if name in changes]
    scales = np.array([entropy.best_code(change.integers.ravel()) for _, change in changed])
    flags = np.array([name in changes for name in weights.shapes(base.finest)], np.int64)
    entropy.put(encoder, flags, _FLAG_CODE)
    entropy.put(encoder, np.array([change.step for _, change in changed]), _STEP_CODE)
    entropy.put(encoder, scales, _SCALE_CODE)
    for (_, change), scale in zip(changed, scales, strict=True):
        entropy.put(encoder, change.integers.ravel(), int(scale))


def _take_changes(decoder: coder.Decoder, base: weights.Base) -> Changes:
    shapes = weights.shapes(base.finest)
    flags = entropy.take(decoder, np.full(len(shapes), _FLAG_CODE))
    names = [name for name, flag in zip(shapes, flags, strict=True) if flag]
    steps = entropy.take(decoder, np.full(len(names), _STEP_CODE))
    scales = entropy.take(decoder, np.full(len(names), _SCALE_CODE))
    bounds = ((flags, 1), (steps, STEPS - 1), (scales, entropy.CODES - 1))
    if any(np.any((values < 0) | (values > most)) for values, most in bounds):
        raise FormatError(f"the changes of the weights are out of range; {DAMAGED}")
    out = {}
    for name, step, scale in zip(names, steps, scales, strict=True):
        flat = entropy.take(decoder, np.full(int(np.prod(shapes[name])), scale))
        out[name] = Change(step=int(step), integers=flat.reshape(shapes[name]))
    return out


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
