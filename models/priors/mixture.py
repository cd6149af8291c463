"""Fit a mixture of Gaussians with full covariances, by scikit-learn."""

import warnings
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from dfm import train
from models.priors import _latents, gaussian


@dataclass(frozen=True, kw_only=True)
class Config:
    """Say how many Gaussians to mix.

    Attributes:
        ridge: added to each variance, in mean variances.
        steps: of expectation and maximization, at most.
    """

    components: int = 10
    ridge: float = 1e-3
    steps: int = 100


class Prior(NamedTuple):
    """Hold the weights, and the Gaussians stacked."""

    weights: Float[Array, " k"]
    parts: gaussian.Prior


def fit(
    config: Config, latents: Float[np.ndarray, "n d"], *, seed: int, notify: train.Notify | None = None
) -> Prior:
    """Maximize the likelihood from clusters of k-means.

    Raises:
        ValueError: the latents are fewer than the components, or not finite.
    """
    z = _latents.checked(latents, rows=max(2, config.components))
    mixture = GaussianMixture(
        config.components,
        reg_covar=config.ridge * (z.var(0).mean() or 1.0),
        max_iter=config.steps,
        random_state=seed,
    )
    with warnings.catch_warnings(), threadpool_limits(1):  # threads wait longer for each other than they save
        warnings.simplefilter("ignore", ConvergenceWarning)  # the last steps gain next to nothing
        mixture.fit(z)
    if notify:
        notify(1.0, f"log-density {mixture.lower_bound_:.4g}")
    found = (mixture.weights_, mixture.means_, np.linalg.cholesky(mixture.covariances_))
    weights, means, roots = (jnp.asarray(values, jnp.float32) for values in found)
    return Prior(weights, gaussian.Prior(means, roots))


def sample(prior: Prior, key: PRNGKeyArray, n: int) -> Float[Array, "n d"]:
    """Draw `n` latents: of each a component, then a point of its Gaussian."""
    choice, noise = jax.random.split(key)
    chosen = jax.random.categorical(choice, jnp.log(prior.weights), shape=(n,))
    white = jax.random.normal(noise, (n, prior.parts.mean.shape[-1]))
    return jax.vmap(gaussian.color, (0, None))(prior.parts, white)[chosen, jnp.arange(n)]


def log_density(prior: Prior, latents: Float[Array, "n d"]) -> Float[Array, " n"]:
    """Evaluate the log-density, in nats."""
    parts = jax.vmap(gaussian.log_density, (0, None))(prior.parts, latents)
    return jax.scipy.special.logsumexp(parts, axis=0, b=prior.weights[:, None])
