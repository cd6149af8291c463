"""Change base networks, in floats, by coefficients along the directions of their weights."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dfm.codecs.latent import model, weight_changes, weights

_LEAST_SPREAD = 0.02  # of a coefficient, in steps

Coefficients = dict[str, Array]


class Along(NamedTuple):
    """Hold the directions in which a group of weights changes, in floats (weights.Directions).

    A change is left @ c @ right.T of coefficients c, whose mean magnitude is about `spread`.
    """

    left: Float[Array, "m m"]
    right: Float[Array, "n n"]
    spread: Float[Array, "m n"]


class Networks(NamedTuple):
    """Hold base networks in floats."""

    weights: model.Weights
    directions: dict[str, Along]


def networks(base: weights.Base) -> Networks:
    """Give base networks in floats."""
    directions = {}
    for group, along in base.directions.items():
        left = along.left * 2.0 ** (weight_changes.STEP_BITS - weights.BITS - along.shift)
        parts = left, along.right, weight_changes.spread(along)
        directions[group] = Along(*(jnp.asarray(v, jnp.float32) for v in parts))
    return Networks(floats(base.weights), directions)


def floats(w: weights.Integers) -> model.Weights:
    """Give weights in floats."""
    return {name: jnp.asarray(v / 2.0**weights.BITS, jnp.float32) for name, v in w.items()}


def changed(base: Networks, changes: Coefficients, finest: int) -> model.Weights:
    """Give the weights after changes by real coefficients along the directions of each group, clipped."""
    out, most = dict(base.weights), weights.LARGEST / 2.0**weights.BITS
    for group, c in changes.items():
        along = base.directions[group]
        for name, part in weights.parted(group, along.left @ c @ along.right.T, finest).items():
            out[name] = jnp.clip(out[name] + part, -most, most)
    return out


def step(pixels: int) -> float:
    """Give the quantization step of the coefficients that pays for an image of some pixels.

    A coefficient c costs pixels / 2 * c^2 bits: that is how directions are scaled. Noise of step^2 / 12
    costs as much as it saves where the derivatives of that cost and of -log2(step) cancel.
    """
    return float((12 / (np.log(2) * pixels)) ** 0.5)


def turns(base: Networks) -> Coefficients:
    """Give the part of all coefficients that are expected to be smaller, for each."""
    ordered = jnp.sort(jnp.concatenate([along.spread.ravel() for along in base.directions.values()]))
    return {
        group: jnp.searchsorted(ordered, along.spread) / ordered.size
        for group, along in base.directions.items()
    }


def bits(base: Networks, changes: Coefficients, pixels: int) -> Array:
    """Estimate the bits of coefficients but for a constant: their distribution is two-sided geometric."""
    total, unit = jnp.zeros(()), step(pixels)
    for group, c in changes.items():
        mean = jnp.maximum(base.directions[group].spread / unit, _LEAST_SPREAD)
        total += jnp.sum(jnp.arcsinh(1 / mean) / np.log(2) * jnp.abs(c / unit))
    return total
