"""Conditional variational autoencoder: it draws images of the class asked for (Sohn et al., NIPS 2015)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from dfm.batch import Batch
from models.layers import errors, normal
from models.layers.convolutional import Decoder, Encoder
from models.layers.likelihood import Deviation, Kind, Likelihood


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose sizes.

    Attributes:
        classes: number of labels y.
        latent: dimensions of z.
        convolutions: widths of the encoder's convolutions, each of which halves the image; the decoder's are
            the reverse.
        dense: widths of the hidden dense layers, likewise.
        likelihood: of a pixel given z and y: "gaussian" (L2), "laplace" (L1) or "bernoulli".
        deviation: of a pixel: the best for each batch, learned, or fixed.
        fixed: where the deviation is fixed, or starts to be learned.
        beta: weight of KL(q(z | x, y) || N(0, I)); above 1 it leaves more of an image to its class.
    """

    classes: int = 10
    latent: int = 16
    convolutions: tuple[int, ...] = ()
    dense: tuple[int, ...] = (512, 256)
    likelihood: Kind = "gaussian"
    deviation: Deviation = "best"
    fixed: float = 0.1
    beta: float = 1.0


class Model(nnx.Module):
    """Own encoder and decoder."""

    def __init__(self, config: Config, shape: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        self.config = config
        height, width, channels = shape[1:]
        seen = height, width, channels + config.classes
        self.encoder = Encoder(seen, config.convolutions, config.dense, 2 * config.latent, rngs=rngs)
        inputs = config.latent + config.classes
        self.decoder = Decoder(inputs, shape[1:], config.convolutions, config.dense[::-1], rngs=rngs)
        self.likelihood = Likelihood(config.likelihood, config.deviation, config.fixed)

    def posterior(self, images: Float[Array, "b h w c"], labels: Int[Array, " b"]) -> normal.Normal:
        """Give q(z | x, y); y are channels of ones and zeros."""
        y = jax.nn.one_hot(labels, self.config.classes)[:, None, None]
        planes = jnp.broadcast_to(y, (*images.shape[:3], self.config.classes))
        return normal.halves(self.encoder(jnp.concatenate([images, planes], axis=-1)))

    def logits(self, z: Float[Array, "b d"], labels: Int[Array, " b"]) -> Float[Array, "b h w c"]:
        """Give the log odds of `decode`."""
        y = jax.nn.one_hot(labels, self.config.classes)
        return self.decoder(jnp.concatenate([z, y], axis=1))

    def decode(self, z: Float[Array, "b d"], labels: Int[Array, " b"]) -> Float[Array, "b h w c"]:
        """Give the mean of p(x | z, y), in [0, 1]; for Laplace the median."""
        return jax.nn.sigmoid(self.logits(z, labels))

    def log_weight(self, batch: Batch, key: PRNGKeyArray) -> Float[Array, " b"]:
        """Evaluate log p(x, z | y) - log q(z | x, y) at a draw from q(z | x, y)."""
        posterior = self.posterior(batch.images, batch.labels)
        z = normal.sample(posterior, key)
        fit = self.likelihood(self.logits(z, batch.labels), batch.images)
        return fit + normal.log_ratio(normal.standard(z), posterior, z)


def loss(model: Model, batch: Batch, key: PRNGKeyArray) -> tuple[Array, dict[str, Array]]:
    """Compute the negative ELBO, E log p(x | z, y) - beta KL(q(z | x, y) || p(z)), a pixel's value."""
    posterior = model.posterior(batch.images, batch.labels)
    logits = model.logits(normal.sample(posterior, key), batch.labels)
    fit = jnp.mean(model.likelihood(logits, batch.images))
    kl = jnp.mean(jnp.sum(normal.kl(posterior), axis=1))
    mse = errors.mse(jax.nn.sigmoid(logits), batch.images)
    metrics = {"psnr_db": errors.psnr(mse), "kl_nats": kl, "elbo_nats": fit - kl}
    return (model.config.beta * kl - fit) / batch.images[0].size, metrics


def sample(
    model: Model, key: PRNGKeyArray, n: int, labels: Int[Array, " n"] | None = None
) -> Float[Array, "n h w c"]:
    """Decode latents drawn from N(0, I) as images of `labels`, by default of each class in turn."""
    labels = jnp.arange(n) % model.config.classes if labels is None else labels
    return model.decode(jax.random.normal(key, (n, model.config.latent)), labels)
