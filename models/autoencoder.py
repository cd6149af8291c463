"""Deterministic autoencoder, dense or convolutional (Hinton and Salakhutdinov, Science 313, 2006)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from dfm.batch import Batch
from models.layers import convolutional, errors
from models.layers.convolutional import Decoder, Encoder


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose sizes.

    Attributes:
        latent: dimensions of the code: fewer than values of an image (undercomplete), or more (overcomplete).
        convolutions: widths of the encoder's convolutions, each of which halves the image; the decoder's are
            the reverse.
        dense: widths of the hidden dense layers, likewise.
        down: how the encoder halves, by strided convolutions or by max pooling after each.
        up: how the decoder doubles, by transposed convolutions or by nearest neighbors before each.
    """

    latent: int = 32
    convolutions: tuple[int, ...] = ()
    dense: tuple[int, ...] = (512, 256)
    down: convolutional.Down = "strided"
    up: convolutional.Up = "transposed"


class Model(nnx.Module):
    """Own encoder and decoder."""

    def __init__(self, config: Config, shape: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        self.config = config
        sizes = shape[1:], config.convolutions
        self.encoder = Encoder(*sizes, config.dense, config.latent, down=config.down, rngs=rngs)
        self.decoder = Decoder(config.latent, *sizes, config.dense[::-1], up=config.up, rngs=rngs)

    def encode(self, images: Float[Array, "b h w c"]) -> Float[Array, "b d"]:
        """Give the code."""
        return self.encoder(images)

    def decode(self, code: Float[Array, "b d"]) -> Float[Array, "b h w c"]:
        """Give images in [0, 1]."""
        return jax.nn.sigmoid(self.decoder(code))


def loss(model: Model, batch: Batch, key: PRNGKeyArray) -> tuple[Array, dict[str, Array]]:
    """Compute the mean squared error of the reconstruction."""
    mse = errors.mse(model.decode(model.encode(batch.images)), batch.images)
    return jnp.mean(mse), {"psnr_db": errors.psnr(mse)}
