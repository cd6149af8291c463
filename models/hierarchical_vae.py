"""Hierarchical variational autoencoder: levels of latents, each given those above it.

Features go up, latents come down, by one path for prior and posterior (Sønderby et al., NIPS 2016, 2.2). A
state on it recalls all levels above; with the features it gives a level's posterior (Child, ICLR 2021, 3).
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from dfm.batch import Batch
from models.layers import errors, normal
from models.layers.convolutional import Decoder, Encoder
from models.layers.likelihood import Deviation, Kind, Likelihood

_Features = Float[Array, "b n"]
_Choose = Callable[[int, normal.Normal, _Features], Array]
_Level = tuple[normal.Normal, normal.Normal, Array]  # prior, posterior and a draw of it


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose sizes.

    Attributes:
        levels: dimensions of the latents z_1, z_2 and so on, from the images up.
        width: of the features on the way up, and of the state on the way down.
        convolutions: widths of the encoder's convolutions, each of which halves the image; the decoder's are
            the reverse.
        dense: widths of the hidden dense layers between images and the lowest level, likewise.
        likelihood: of a pixel given all z: "gaussian" (L2), "laplace" (L1) or "bernoulli".
        deviation: of a pixel: the best for each batch, learned, or fixed.
        fixed: where the deviation is fixed, or starts to be learned.
        free_bits: nats of KL in each dimension that cost nothing (Kingma et al., NIPS 2016, C.8).
    """

    levels: tuple[int, ...] = (16, 8)
    width: int = 128
    convolutions: tuple[int, ...] = ()
    dense: tuple[int, ...] = (256,)
    likelihood: Kind = "gaussian"
    deviation: Deviation = "best"
    fixed: float = 0.1
    free_bits: float = 0.0


class Model(nnx.Module):
    """Own the ways up and down."""

    def __init__(self, config: Config, shape: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        self.config = config
        sizes, width, levels = (shape[1:], config.convolutions), config.width, config.levels
        linear = functools.partial(nnx.Linear, rngs=rngs)
        states = [width] * (len(levels) - 1) + [0]  # of what lies above: nothing for the top
        self.encoder = Encoder(*sizes, config.dense, width, rngs=rngs)
        self.up = nnx.List([linear(width, width) for _ in levels[1:]])
        self.priors = nnx.List([linear(width, 2 * n) for n in levels[:-1]])
        self.posteriors = nnx.List([linear(width + m, 2 * n) for n, m in zip(levels, states, strict=True)])
        self.down = nnx.List([linear(n + m, width) for n, m in zip(levels, states, strict=True)])
        self.norm, *norms = [nnx.LayerNorm(width, rngs=rngs) for _ in (0, *levels)]
        self.norms = nnx.List(norms)
        self.decoder = Decoder(width, *sizes, config.dense[::-1], rngs=rngs)
        self.likelihood = Likelihood(config.likelihood, config.deviation, config.fixed)

    def ascend(self, images: Float[Array, "b h w c"]) -> list[_Features]:
        """Give the features of images at each level."""
        features = [self.norm(self.encoder(images))]
        for up in self.up:
            features.append(features[-1] + jax.nn.silu(up(features[-1])))
        return features

    def descend(self, n: int, choose: _Choose) -> Float[Array, "b h w c"]:
        """Give the log odds of images for the latents that `choose(level, prior, state)` gives."""
        top = len(self.config.levels) - 1
        state, prior = jnp.zeros((n, 0)), normal.standard(jnp.zeros((n, self.config.levels[top])))
        for level in range(top, -1, -1):
            z = choose(level, prior, state)
            state = self.norms[level](self.down[level](jnp.concatenate([state, z], axis=1)))
            state = jax.nn.silu(state)
            if level:
                prior = normal.halves(self.priors[level - 1](state))
        return self.decoder(state)

    def posterior(self, level: int, features: _Features, state: _Features) -> normal.Normal:
        """Give q(z_l | x, z_>l)."""
        return normal.halves(self.posteriors[level](jnp.concatenate([features, state], axis=1)))

    def encode(self, images: Float[Array, "b h w c"]) -> Float[Array, "b d"]:
        """Give the means of q(z_l | x, z_>l), given the means above, from the images up."""
        features, means = self.ascend(images), {}

        def choose(level: int, prior: normal.Normal, state: _Features) -> Array:
            means[level] = self.posterior(level, features[level], state).mean
            return means[level]

        self.descend(len(images), choose)
        return jnp.concatenate([means[level] for level in sorted(means)], axis=1)

    def decode(self, z: Float[Array, "b d"]) -> Float[Array, "b h w c"]:
        """Give the mean of p(x | z), in [0, 1]; for Laplace the median."""
        ends = [sum(self.config.levels[: level + 1]) for level in range(len(self.config.levels) - 1)]
        levels = jnp.split(z, ends, axis=1)
        return jax.nn.sigmoid(self.descend(len(z), lambda level, *_: levels[level]))

    def infer(self, images: Float[Array, "b h w c"], key: PRNGKeyArray) -> tuple[list[_Level], Array]:
        """Draw z of each level from q(z_l | x, z_>l); give what came of each, and log odds of images."""
        features, found = self.ascend(images), {}

        def choose(level: int, prior: normal.Normal, state: _Features) -> Array:
            posterior = self.posterior(level, features[level], state)
            z = normal.sample(posterior, jax.random.fold_in(key, level))
            found[level] = prior, posterior, z
            return z

        logits = self.descend(len(images), choose)
        return [found[level] for level in sorted(found)], logits

    def log_weight(self, batch: Batch, key: PRNGKeyArray) -> Float[Array, " b"]:
        """Evaluate log p(x, z) - log q(z | x) at a draw of all levels from q(z | x)."""
        levels, logits = self.infer(batch.images, key)
        ratios = [normal.log_ratio(prior, posterior, z) for prior, posterior, z in levels]
        return self.likelihood(logits, batch.images) + jnp.sum(jnp.stack(ratios), axis=0)


def loss(model: Model, batch: Batch, key: PRNGKeyArray) -> tuple[Array, dict[str, Array]]:
    """Compute the negative ELBO, E log p(x | z) - sum_l KL(q(z_l | x, z_>l) || p(z_l | z_>l)), a value."""
    levels, logits = model.infer(batch.images, key)
    fit = jnp.mean(model.likelihood(logits, batch.images))
    kls = [jnp.mean(normal.kl_between(posterior, prior), axis=0) for prior, posterior, _ in levels]
    paid = sum(jnp.sum(jnp.maximum(kl, model.config.free_bits)) for kl in kls)
    of_levels = {f"kl_nats_{level}": jnp.sum(kl) for level, kl in enumerate(kls, 1)}
    kl = jnp.sum(jnp.concatenate(kls))
    psnr = errors.psnr(errors.mse(jax.nn.sigmoid(logits), batch.images))
    metrics = {"psnr_db": psnr, "kl_nats": kl, "elbo_nats": fit - kl} | of_levels
    return (paid - fit) / batch.images[0].size, metrics


def sample(model: Model, key: PRNGKeyArray, n: int) -> Float[Array, "n h w c"]:
    """Draw each level from its prior, from the top down, and decode."""

    def choose(level: int, prior: normal.Normal, _: _Features) -> Array:
        return normal.sample(prior, jax.random.fold_in(key, level))

    return jax.nn.sigmoid(model.descend(n, choose))
