"""Draw latents from N(0, I), as variational autoencoders mean them to be; nothing is fitted."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from dfm import train
from models.priors import _latents


@dataclass(frozen=True, kw_only=True)
class Config:
    """Say nothing: there is nothing to choose."""


class Prior(NamedTuple):
    """Hold the mean, zeros, which tells how many dimensions there are."""

    mean: Float[Array, " d"]


def fit(
    config: Config, latents: Float[np.ndarray, "n d"], *, seed: int, notify: train.Notify | None = None
) -> Prior:
    """Give the prior of as many dimensions as the latents have.

    Raises:
        ValueError: the latents are not finite.
    """
    return Prior(jnp.zeros(_latents.checked(latents).shape[1]))


def sample(prior: Prior, key: PRNGKeyArray, n: int) -> Float[Array, "n d"]:
    """Draw `n` latents."""
    return jax.random.normal(key, (n, *prior.mean.shape))


def log_density(prior: Prior, latents: Float[Array, "n d"]) -> Float[Array, " n"]:
    """Evaluate the log-density, in nats."""
    return jax.scipy.stats.norm.logpdf(latents - prior.mean).sum(-1)
