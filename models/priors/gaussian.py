"""Fit one Gaussian, N(mean, root root^T)."""

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
    """Say how far from singular the covariance is kept.

    Attributes:
        ridge: added to each variance, in mean variances.
    """

    ridge: float = 1e-6


class Prior(NamedTuple):
    """Hold the mean, and the Cholesky factor of the covariance."""

    mean: Float[Array, " d"]
    root: Float[Array, "d d"]


def fit(
    config: Config, latents: Float[np.ndarray, "n d"], *, seed: int, notify: train.Notify | None = None
) -> Prior:
    """Take mean and covariance of the latents.

    Raises:
        ValueError: the latents are fewer than two, or not finite.
    """
    z = _latents.checked(latents, rows=2)
    covariance = np.atleast_2d(np.cov(z, rowvar=False))
    ridge = config.ridge * (np.diag(covariance).mean() or 1.0)
    root = np.linalg.cholesky(covariance + ridge * np.eye(len(covariance)))
    return Prior(jnp.asarray(z.mean(0), jnp.float32), jnp.asarray(root, jnp.float32))


def sample(prior: Prior, key: PRNGKeyArray, n: int) -> Float[Array, "n d"]:
    """Draw `n` latents."""
    return color(prior, jax.random.normal(key, (n, *prior.mean.shape)))


def log_density(prior: Prior, latents: Float[Array, "n d"]) -> Float[Array, " n"]:
    """Evaluate the log-density, in nats."""
    white = jax.scipy.stats.norm.logpdf(whiten(prior, latents)).sum(-1)
    return white - jnp.log(jnp.diag(prior.root)).sum()


def whiten(prior: Prior, latents: Float[Array, "n d"]) -> Float[Array, "n d"]:
    """Map the Gaussian to N(0, I)."""
    return jax.scipy.linalg.solve_triangular(prior.root, (latents - prior.mean).T, lower=True).T


def color(prior: Prior, white: Float[Array, "n d"]) -> Float[Array, "n d"]:
    """Map N(0, I) to the Gaussian; this inverts `whiten`."""
    return prior.mean + white @ prior.root.T
