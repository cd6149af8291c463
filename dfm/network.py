"""Compose Fourier layers into a network of position, 2 -> w -> ... -> w -> channels (thesis, 4.2.1)."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from dfm import fourier

Coefficients = list[Float[Array, "_f _n"]]


def init(key: PRNGKeyArray, widths: Sequence[int]) -> Coefficients:
    """Draw stored coefficients; `widths` go from that of the position to that of the colors."""
    keys = jax.random.split(key, len(widths) - 1)
    return [fourier.init(k, m, n) for k, m, n in zip(keys, widths[:-1], widths[1:], strict=True)]


def apply(coefficients: Coefficients, x: Float[Array, "*batch m"]) -> Float[Array, "*batch c"]:
    """Evaluate the network at positions in turns: colors in (-1, 1)."""
    for stored in coefficients:
        x = fourier.layer(fourier.scale(x.shape[-1]) * stored, x)
    return jnp.tanh(x)
