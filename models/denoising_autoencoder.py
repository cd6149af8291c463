"""Denoising autoencoder: it reconstructs images from corrupted ones (Vincent et al., JMLR 11, 2010)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from dfm.batch import Batch
from models.layers import corruption, errors
from models.layers.convolutional import Decoder, Encoder


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose sizes and the corruption.

    Attributes:
        latent: dimensions of the code.
        convolutions: widths of the encoder's convolutions, each of which halves the image; the decoder's are
            the reverse.
        dense: widths of the hidden dense layers, likewise.
        noise: the corruption, of `models.layers.corruption`.
        level: deviation of Gaussian noise, or the share of values that any other corrupts, below 1.
    """

    latent: int = 64
    convolutions: tuple[int, ...] = ()
    dense: tuple[int, ...] = (512,)
    noise: corruption.Name = "masking"
    level: float = 0.3


class Model(nnx.Module):
    """Own encoder and decoder."""

    def __init__(self, config: Config, shape: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        self.config = config
        sizes = shape[1:], config.convolutions
        self.encoder = Encoder(*sizes, config.dense, config.latent, rngs=rngs)
        self.decoder = Decoder(config.latent, *sizes, config.dense[::-1], rngs=rngs)

    def encode(self, images: Float[Array, "b h w c"]) -> Float[Array, "b d"]:
        """Give the code."""
        return self.encoder(images)

    def decode(self, code: Float[Array, "b d"]) -> Float[Array, "b h w c"]:
        """Give images in [0, 1]."""
        return jax.nn.sigmoid(self.decoder(code))

    @property
    def damage(self) -> str:
        """Name what `degrade` does."""
        return f"{self.config.noise} {self.config.level:g}"

    def degrade(self, images: Float[Array, "b h w c"], key: PRNGKeyArray) -> Float[Array, "b h w c"]:
        """Corrupt images in [0, 1]."""
        return corruption.apply(self.config.noise, images, self.config.level, key)

    def restore(self, degraded: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Reconstruct images from corrupted ones."""
        return self.decode(self.encode(degraded))


def loss(model: Model, batch: Batch, key: PRNGKeyArray) -> tuple[Array, dict[str, Array]]:
    """Compute the mean squared error, against the images, of reconstructions from corrupted ones."""
    mse = errors.mse(model.restore(model.degrade(batch.images, key)), batch.images)
    return jnp.mean(mse), {"psnr_db": errors.psnr(mse)}
