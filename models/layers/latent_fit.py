"""Find the latents of images for a decoder without an encoder, by gradient descent (thesis, algorithm 2)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float


def fit(
    error: Callable[[Float[Array, "b d"]], Float[Array, " b"]],
    start: Float[Array, "b d"],
    steps: int,
    rate: float,
) -> Float[Array, "b d"]:
    """Minimize each latent's own error by Adam along a cosine."""
    optimizer = optax.adam(optax.cosine_decay_schedule(rate, steps))

    def step(carry: tuple[Array, optax.OptState], _: None) -> tuple[tuple[Array, optax.OptState], None]:
        z, moments = carry
        slopes = jax.grad(lambda z: jnp.sum(error(z)))(z)
        changes, moments = optimizer.update(slopes, moments)
        return (z + changes, moments), None

    (z, _), _ = jax.lax.scan(step, (start, optimizer.init(start)), length=steps)
    return z
