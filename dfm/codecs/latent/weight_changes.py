"""Change the weights of base networks from file to file, and code the changes (docs/format.md)."""

import functools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from dfm import coder, entropy
from dfm.codecs.latent import weights
from dfm.container import DAMAGED, FormatError

STEPS = 32  # codes of the quantization step
STEP_BITS = 16  # of the fraction of a step
LARGEST = 2**12 - 1  # of an integer
WIDEST = 128  # of `Changes.wider`, either way
LEVEL_OF_ONE = 64  # of the mean magnitude of a coefficient, in eighths of an octave

_SETTING_CODE = 60  # of entropy.put
_LEVELS = 128


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Hold the changes of all weights.

    Attributes:
        step: code of the quantization step.
        wider: what is added to `Directions.spread` to give the level of the mean magnitude of integers.
        integers: of each group of weights.
    """

    step: int
    wider: int
    integers: dict[str, Int64[np.ndarray, "m n"]]


def step_of(code: int) -> float:
    """Give the quantization step of a code: 2^-15 to 1.5, two steps an octave."""
    return (2 + code % 2) * 2.0 ** (code // 2 - STEP_BITS)


def wider_of(step: float) -> int:
    """Give what `Changes.wider` is where coefficients are as large as their directions expect."""
    return int(np.rint(-8 * np.log2(step)))


def spread(along: weights.Directions) -> Float64[np.ndarray, "m n"]:
    """Give the mean magnitude that the directions expect of coefficients."""
    return np.asarray(2.0 ** ((along.spread - LEVEL_OF_ONE) / 8))


def apply(base: weights.Base, changes: Changes | None) -> weights.Integers:
    """Add changes to the weights of the base, and clip these to what a weight may be."""
    out = dict(base.weights)
    if changes is None:
        return out
    for group, q in changes.integers.items():
        along = base.directions[group]
        product = (2 + changes.step % 2) * (along.left @ q @ along.right.T)
        shift = along.shift - changes.step // 2
        change = product + (1 << shift - 1) >> shift
        for name, part in weights.parted(group, change, base.finest).items():
            out[name] = np.clip(out[name] + part, -weights.LARGEST, weights.LARGEST)
    return out


def put(encoder: coder.Encoder, base: weights.Base, changes: Changes) -> None:
    """Code changes."""
    entropy.put(encoder, np.array([changes.step, changes.wider]), _SETTING_CODE)
    for group in weights.groups(base.finest):
        entropy.put(encoder, changes.integers[group].ravel(), _codes(base.directions[group], changes.wider))


def take(decoder: coder.Decoder, base: weights.Base) -> Changes:
    """Decode changes.

    Raises:
        FormatError: the data hold none.
    """
    step, wider = entropy.take(decoder, np.full(2, _SETTING_CODE))
    if not 0 <= step < STEPS or not -WIDEST <= wider <= WIDEST:
        raise FormatError(f"the step of the changes of the weights is out of range; {DAMAGED}")
    integers = {}
    for group in weights.groups(base.finest):
        along = base.directions[group]
        q = entropy.take(decoder, _codes(along, int(wider)))
        if np.abs(q).max() > LARGEST:
            raise FormatError(f"a change of a weight is out of range; {DAMAGED}")
        integers[group] = q.reshape(along.spread.shape)
    return Changes(step=int(step), wider=int(wider), integers=integers)


def bits(base: weights.Base, changes: Changes | None) -> float:
    """Give the bits that changes take in a stream."""
    if changes is None:
        return 0.0
    setting = entropy.bits(np.array([changes.step, changes.wider]), _SETTING_CODE)
    return setting + sum(
        entropy.bits(q.ravel(), _codes(base.directions[group], changes.wider))
        for group, q in changes.integers.items()
    )


def _codes(along: weights.Directions, wider: int) -> Int64[np.ndarray, " mn"]:
    levels = np.clip(along.spread.ravel() + wider, 0, _LEVELS - 1)
    return np.asarray(_code_of_levels()[levels])


@functools.cache
def _code_of_levels() -> Int64[np.ndarray, " levels"]:
    """Give the code of the two-sided geometric distribution of each mean magnitude."""
    magnitude = 2.0 ** ((np.arange(_LEVELS) - LEVEL_OF_ONE) / 8)
    bits_of_one_more = np.arcsinh(1 / magnitude) / np.log(2)
    codes = np.rint(8 * np.log2(16 / bits_of_one_more))
    return np.asarray(codes.astype(np.int64))
