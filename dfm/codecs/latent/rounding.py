"""Round softly, so that gradients pass (Agustsson and Theis, 2020; C3, section 3.2)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

_TEMPERATURE = 0.35, 0.1  # of soft rounding, at first and at last
_NOISE = 0.22, 0.15


def soft(x: Float[Array, "*shape"], temperature: Array) -> Float[Array, "*shape"]:
    """Round `x` the harder, the lower the temperature."""
    below = jnp.floor(x)
    slope = jnp.tanh((x - below - 0.5) / temperature) / jnp.tanh(0.5 / temperature)
    return below + 0.5 + 0.5 * slope


def noisy(
    key: PRNGKeyArray, x: Float[Array, "*shape"], temperature: Array, deviation: Array
) -> Float[Array, "*shape"]:
    """Round softly, add Gaussian noise in place of what rounding loses, and round softly again."""
    noise = deviation * jax.random.normal(key, x.shape)
    return soft(soft(x, temperature) + noise, temperature)


def disturbed(key: PRNGKeyArray, latents: list[Array], done: Array) -> list[Array]:
    """Round latents in units of a symbol as a fit does when a part of it is done: ever harder."""
    temperature, noise = (a + (b - a) * done for a, b in (_TEMPERATURE, _NOISE))
    keys = jax.random.split(key, len(latents))
    return [noisy(k, v, temperature, noise) for k, v in zip(keys, latents, strict=True)]
