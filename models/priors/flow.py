"""Fit a normalizing flow on whitened latents (Dinh et al., Density estimation using Real NVP, ICLR 2017).

A flow that is not trained yet is the identity, and the prior then the Gaussian of the latents.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from dfm import train
from models.layers.mlp import MLP
from models.priors import _latents, gaussian

_BOUND = 2.0  # of a coupling's log-scales


@dataclass(frozen=True, kw_only=True)
class Config:
    """Say how large the flow is, and how it is trained.

    Attributes:
        layers: couplings.
        width: of both hidden layers of their networks.
        noise: deviation of what is added to whitened latents in training, times the cube root of how many
            they are; without it the flow learns few latents by heart.
        epochs: at most.
        steps: at most.
    """

    layers: int = 12
    width: int = 128
    noise: float = 2.3
    epochs: int = 30
    steps: int = 4000
    batch: int = 256
    learning_rate: float = 3e-3


class Coupling(nnx.Module):
    """Scale and shift one half of permuted numbers by what the other half tells."""

    def __init__(self, d: int, width: int, *, rngs: nnx.Rngs) -> None:
        self.order = nnx.Variable(jax.random.permutation(rngs.params(), d))
        self.net = MLP([d // 2, width, width, 2 * (d - d // 2)], rngs=rngs)
        last = self.net.layers[-1].kernel
        last[...] = jnp.zeros_like(last[...])

    def forward(self, x: Float[Array, "n d"]) -> tuple[Float[Array, "n d"], Float[Array, " n"]]:
        """Give y = [a, b exp(s(a)) + t(a)] and the log-determinant of its Jacobian, sum s."""
        a, b = _halves(x[:, self.order[...]])
        s, t = self._scale_and_shift(a)
        return jnp.concatenate([a, b * jnp.exp(s) + t], axis=-1), s.sum(-1)

    def inverse(self, y: Float[Array, "n d"]) -> Float[Array, "n d"]:
        """Give the x of which y = forward(x)."""
        a, b = _halves(y)
        s, t = self._scale_and_shift(a)
        return jnp.concatenate([a, (b - t) * jnp.exp(-s)], axis=-1)[:, jnp.argsort(self.order[...])]

    def _scale_and_shift(self, a: Float[Array, "n a"]) -> tuple[Float[Array, "n b"], Float[Array, "n b"]]:
        s, t = jnp.split(self.net(a), 2, axis=-1)
        return _BOUND * jnp.tanh(s / _BOUND), t


class Flow(nnx.Module):
    """Compose couplings."""

    def __init__(self, d: int, layers: int, width: int, *, rngs: nnx.Rngs) -> None:
        self.layers = nnx.List([Coupling(d, width, rngs=rngs) for _ in range(layers)])

    def forward(self, x: Float[Array, "n d"]) -> tuple[Float[Array, "n d"], Float[Array, " n"]]:
        """Map latents to normal noise, and give the log-determinant of the Jacobian."""
        total = jnp.zeros(len(x))
        for layer in self.layers:
            x, log_determinant = layer.forward(x)
            total += log_determinant
        return x, total

    def inverse(self, y: Float[Array, "n d"]) -> Float[Array, "n d"]:
        """Map normal noise to latents."""
        for layer in reversed(self.layers):
            y = layer.inverse(y)
        return y


class Prior(NamedTuple):
    """Hold what whitens the latents, and the flow."""

    scale: gaussian.Prior
    flow: Flow


def fit(
    config: Config, latents: Float[np.ndarray, "n d"], *, seed: int, notify: train.Notify | None = None
) -> Prior:
    """Maximize the likelihood of latents under noise.

    Raises:
        ValueError: the latents are fewer than two, not finite, or single numbers.
        FloatingPointError: the loss is not finite.
    """
    n, d = _latents.checked(latents, rows=2).shape
    if d < 2:
        raise ValueError(
            "a flow couples two numbers at least, and latents have one; choose the prior mixture"
        )
    scale = gaussian.fit(gaussian.Config(), latents, seed=seed)
    deviation = config.noise * n ** (-1 / 3)

    def loss(flow: Flow, white: Float[Array, "b d"], key: PRNGKeyArray) -> tuple[Array, train.Metrics]:
        y, log_determinant = flow.forward(white + deviation * jax.random.normal(key, white.shape))
        return -(jax.scipy.stats.norm.logpdf(y).sum(-1) + log_determinant).mean(), {}

    flow = Flow(d, config.layers, config.width, rngs=nnx.Rngs(seed))
    batch = min(config.batch, n)
    training = train.Config(
        steps=min(config.steps, config.epochs * (n // batch)),
        batch=batch,
        learning_rate=config.learning_rate,
        clip=1.0,
        seed=seed,
    )
    white = gaussian.whiten(scale, jnp.asarray(latents))
    return Prior(scale, train.fit(flow, loss, white, training, notify=notify))


def sample(prior: Prior, key: PRNGKeyArray, n: int) -> Float[Array, "n d"]:
    """Draw `n` latents."""
    return gaussian.color(
        prior.scale, prior.flow.inverse(jax.random.normal(key, (n, *prior.scale.mean.shape)))
    )


def log_density(prior: Prior, latents: Float[Array, "n d"]) -> Float[Array, " n"]:
    """Evaluate the log-density, in nats, by the change of variables."""
    y, log_determinant = prior.flow.forward(gaussian.whiten(prior.scale, latents))
    white = jax.scipy.stats.norm.logpdf(y).sum(-1) + log_determinant
    return white - jnp.log(jnp.diag(prior.scale.root)).sum()


def _halves(x: Float[Array, "n d"]) -> tuple[Float[Array, "n a"], Float[Array, "n b"]]:
    a, b = jnp.split(x, [x.shape[-1] // 2], axis=-1)
    return a, b
