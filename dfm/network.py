"""Compose Fourier layers into a network of position, 2 -> w -> ... -> w -> channels (thesis, 4.2.1)."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from dfm import fourier


class Network(NamedTuple):
    """Hold stored coefficients; the hidden layers are stacked, so that a scan compiles them once."""

    first: Float[Array, "_f w"]
    hidden: Float[Array, "_depth f w"]
    last: Float[Array, "f c"]


def init(key: PRNGKeyArray, width: int, depth: int, channels: int) -> Network:
    """Draw stored coefficients of `depth` hidden activations of `width`."""
    first, hidden, last = jax.random.split(key, 3)
    draw = functools.partial(fourier.init, m=width, n=width)
    return Network(
        fourier.init(first, 2, width),
        jax.vmap(draw)(jax.random.split(hidden, depth - 1)),
        fourier.init(last, width, channels),
    )


def apply(network: Network, x: Float[Array, "*batch m"]) -> Float[Array, "*batch c"]:
    """Evaluate the network at positions in turns: colors in (-1, 1)."""

    def hidden(x: Array, stored: Array) -> tuple[Array, None]:
        return _layer(stored, x), None

    x, _ = jax.lax.scan(hidden, _layer(network.first, x), network.hidden)
    return jnp.tanh(_layer(network.last, x))


def _layer(stored: Float[Array, "f n"], x: Float[Array, "*batch m"]) -> Float[Array, "*batch n"]:
    return fourier.layer(fourier.scale(x.shape[-1]) * stored, x)
