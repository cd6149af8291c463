"""Handle normal distributions with a diagonal covariance, as the latents of variational autoencoders have."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

_LOG_2PI = 1.8378770664093453
_FLAT = 5.0  # log deviations stay within this, so that no exp overflows


class Normal(NamedTuple):
    """Hold means and log deviations."""

    mean: Float[Array, "b ..."]
    log_deviation: Float[Array, "b ..."]


def halves(numbers: Float[Array, "*b d2"]) -> Normal:
    """Read the first half of the last axis as means, the second as log deviations, softly within +-5."""
    mean, log_deviation = jnp.split(numbers, 2, axis=-1)
    return Normal(mean, _FLAT * jnp.tanh(log_deviation / _FLAT))


def sample(normal: Normal, key: PRNGKeyArray) -> Float[Array, "b ..."]:
    """Draw by reparametrization (Kingma and Welling, ICLR 2014, 2.4)."""
    return normal.mean + jnp.exp(normal.log_deviation) * jax.random.normal(key, normal.mean.shape)


def kl(normal: Normal) -> Float[Array, "b ..."]:
    """Compute KL(normal || N(0, 1)) of each dimension, in nats (Kingma and Welling, ICLR 2014, B)."""
    return kl_between(normal, standard(normal.mean))


def kl_between(q: Normal, p: Normal) -> Float[Array, "b ..."]:
    """Compute KL(q || p) of each dimension, in nats."""
    log_ratio = q.log_deviation - p.log_deviation
    z = (q.mean - p.mean) * jnp.exp(-p.log_deviation)
    return 0.5 * (jnp.exp(2 * log_ratio) + z**2 - 1) - log_ratio


def standard(like: Float[Array, "b ..."]) -> Normal:
    """Give N(0, 1) in each of as many dimensions."""
    return Normal(jnp.zeros_like(like), jnp.zeros_like(like))


def log_ratio(p: Normal, q: Normal, z: Float[Array, "b d"]) -> Float[Array, " b"]:
    """Evaluate log p(z) - log q(z) over all dimensions."""
    return jnp.sum(log_density(p, z) - log_density(q, z), axis=1)


def log_density(normal: Normal, x: Float[Array, "b ..."]) -> Float[Array, "b ..."]:
    """Evaluate the log-density of each dimension."""
    z = (x - normal.mean) * jnp.exp(-normal.log_deviation)
    return -0.5 * (z**2 + _LOG_2PI) - normal.log_deviation
