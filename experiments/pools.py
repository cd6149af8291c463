"""Hold crops whose latents are fitted side by side while the networks are trained."""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, UInt8

from dfm.codecs.latent import analysis, fit


class Pool(NamedTuple):
    """Hold crops, their latents in units of 16 symbols, and Adam's moments of those."""

    images: UInt8[Array, "pool 3 crop crop"]
    latents: list[Float[Array, "pool _h _w"]]
    moments: optax.OptState


def ages(rounds: int, places: int, life: int, first_life: int) -> Iterator[Float[np.ndarray, " places"]]:
    """Give, round by round, which part of its life each place's crop has behind it; lives end in turn."""
    ends = first_life + np.arange(places) * life // places
    lives = ends.copy()
    for now in range(rounds):
        over = ends <= now
        ends, lives = ends + over * life, np.where(over, life, lives)
        yield 1 - (ends - now) / lives


def born(
    w: analysis.Weights, images: UInt8[np.ndarray, "pool 3 crop crop"], finest: int, *, zero: bool = False
) -> Pool:
    """Start crops from the guess of their latents, or from zero."""
    pixels = jnp.asarray(images / 255.0, jnp.float32)
    found = _guessed(w, pixels, finest)
    latents = [0 * v if zero else v / fit.UNIT for v in found]
    return Pool(jnp.asarray(images), latents, jax.vmap(fit.LATENTS.init)(latents))


def replaced(pool: Pool, place: int, fresh: Pool) -> Pool:
    """Put the one crop of `fresh` at a place."""
    return Pool(*jax.tree.map(lambda old, new: old.at[place].set(new[0]), pool, fresh))


@functools.partial(jax.jit, static_argnums=2)
def _guessed(w: analysis.Weights, pixels: Array, finest: int) -> list[Array]:
    found: list[Array] = jax.lax.map(lambda image: analysis.latents(w, image, finest), pixels)
    return found
