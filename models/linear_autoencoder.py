"""Linear autoencoder, whose decoder spans the subspace of PCA (Baldi and Hornik, Neural Networks 2, 1989)."""

import math
from dataclasses import dataclass

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from dfm.batch import Batch
from models.layers import errors


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose sizes.

    Attributes:
        latent: dimensions of the code.
    """

    latent: int = 32


class Model(nnx.Module):
    """Own one affine layer each way."""

    def __init__(self, config: Config, shape: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        self.config, self.shape = config, shape[1:]
        size = math.prod(self.shape)
        self.encoder = nnx.Linear(size, config.latent, rngs=rngs)
        self.decoder = nnx.Linear(config.latent, size, rngs=rngs)

    def __call__(self, images: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Reconstruct, unbounded."""
        return self.decoder(self.encode(images)).reshape(images.shape)

    def encode(self, images: Float[Array, "b h w c"]) -> Float[Array, "b d"]:
        """Give the code."""
        return self.encoder(images.reshape(len(images), -1))

    def decode(self, code: Float[Array, "b d"]) -> Float[Array, "b h w c"]:
        """Give images, clipped to [0, 1]; the loss is not, for it to be that of PCA."""
        return jnp.clip(self.decoder(code).reshape(-1, *self.shape), 0, 1)


def loss(model: Model, batch: Batch, key: PRNGKeyArray) -> tuple[Array, dict[str, Array]]:
    """Compute the mean squared error of the reconstruction, before it is clipped."""
    mse = errors.mse(model(batch.images), batch.images)
    return jnp.mean(mse), {"psnr_db": errors.psnr(mse)}
