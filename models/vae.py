"""Variational autoencoder, dense or convolutional (Kingma and Welling, ICLR 2014)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from dfm.batch import Batch
from models.layers import errors, likelihood, normal
from models.layers.convolutional import Decoder, Encoder


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose sizes.

    Attributes:
        latent: dimensions of z.
        convolutions: widths of the encoder's convolutions, each of which halves the image; the decoder's are
            the reverse.
        dense: widths of the hidden dense layers, likewise.
        beta: weight of KL(q(z | x) || N(0, I)).
    """

    latent: int = 16
    convolutions: tuple[int, ...] = ()
    dense: tuple[int, ...] = (512, 256)
    beta: float = 1.0


class Model(nnx.Module):
    """Own encoder and decoder."""

    def __init__(self, config: Config, shape: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        self.config = config
        sizes = shape[1:], config.convolutions
        self.encoder = Encoder(*sizes, config.dense, 2 * config.latent, rngs=rngs)
        self.decoder = Decoder(config.latent, *sizes, config.dense[::-1], rngs=rngs)

    def posterior(self, images: Float[Array, "b h w c"]) -> normal.Normal:
        """Give q(z | x)."""
        return normal.halves(self.encoder(images))

    def encode(self, images: Float[Array, "b h w c"]) -> Float[Array, "b d"]:
        """Give the mean of q(z | x)."""
        return self.posterior(images).mean

    def decode(self, z: Float[Array, "b d"]) -> Float[Array, "b h w c"]:
        """Give the mean of p(x | z), in [0, 1]."""
        return jax.nn.sigmoid(self.decoder(z))


def loss(model: Model, batch: Batch, key: PRNGKeyArray) -> tuple[Array, dict[str, Array]]:
    """Compute the negative ELBO, with a normal likelihood of the best deviation, in nats a pixel's value."""
    posterior = model.posterior(batch.images)
    images = model.decode(normal.sample(posterior, key))
    fit = likelihood.gaussian_at_best(images, batch.images)
    kl = jnp.mean(jnp.sum(normal.kl(posterior), axis=1))
    value = (model.config.beta * kl - fit) / batch.images[0].size
    return value, {"psnr_db": errors.psnr(errors.mse(images, batch.images)), "kl_nats": kl}


def sample(model: Model, key: PRNGKeyArray, n: int) -> Float[Array, "n h w c"]:
    """Decode latents drawn from N(0, I)."""
    return model.decode(jax.random.normal(key, (n, model.config.latent)))
