"""Contractive autoencoder: its code changes little as images do (Rifai et al., ICML 2011)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from dfm.batch import Batch
from models.layers import errors
from models.layers.convolutional import Decoder, Encoder


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose sizes and the penalty.

    Attributes:
        latent: units of the code, sigmoids.
        convolutions: widths of the encoder's convolutions, each of which halves the image; the decoder's are
            the reverse.
        dense: widths of the hidden dense layers, likewise.
        weight: of the squared Frobenius norm of the encoder's Jacobian, beside the mean squared error.
        norm: "exact", by the whole Jacobian, or "projected", by one random projection of it an image.
    """

    latent: int = 64
    convolutions: tuple[int, ...] = ()
    dense: tuple[int, ...] = ()
    weight: float = 1e-3
    norm: Literal["exact", "projected"] = "projected"


class Model(nnx.Module):
    """Own encoder and decoder."""

    def __init__(self, config: Config, shape: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        self.config = config
        sizes = shape[1:], config.convolutions
        self.encoder = Encoder(*sizes, config.dense, config.latent, rngs=rngs)
        self.decoder = Decoder(config.latent, *sizes, config.dense[::-1], rngs=rngs)

    def encode(self, images: Float[Array, "b h w c"]) -> Float[Array, "b d"]:
        """Give the code, in (0, 1)."""
        return jax.nn.sigmoid(self.encoder(images))

    def decode(self, code: Float[Array, "b d"]) -> Float[Array, "b h w c"]:
        """Give images in [0, 1]."""
        return jax.nn.sigmoid(self.decoder(code))


def loss(model: Model, batch: Batch, key: PRNGKeyArray) -> tuple[Array, dict[str, Array]]:
    """Compute the mean squared error of the reconstruction, and the penalty on the encoder's Jacobian."""
    mse = errors.mse(model.decode(model.encode(batch.images)), batch.images)
    norm = jnp.mean(_NORMS[model.config.norm](model, batch.images, key))
    value = jnp.mean(mse) + model.config.weight * norm
    return value, {"psnr_db": errors.psnr(mse), "jacobian_norm": norm}


_Norm = Callable[[Model, Float[Array, "b h w c"], PRNGKeyArray], Float[Array, " b"]]


def _exact(model: Model, images: Float[Array, "b h w c"], key: PRNGKeyArray) -> Float[Array, " b"]:
    """Compute ||J||^2 of each image."""
    jacobians = jax.vmap(jax.jacrev(lambda image: model.encode(image[None])[0]))(images)
    return jnp.sum(jacobians**2, axis=(1, 2, 3, 4))


def _projected(model: Model, images: Float[Array, "b h w c"], key: PRNGKeyArray) -> Float[Array, " b"]:
    """Estimate ||J||^2 = E ||J^T v||^2, for v of random signs (Hutchinson, Commun. Stat. 18, 1989)."""
    code, pull_back = jax.vjp(model.encode, images)
    (projections,) = pull_back(jax.random.rademacher(key, code.shape, code.dtype))
    return jnp.sum(projections**2, axis=(1, 2, 3))


_NORMS: dict[str, _Norm] = {"exact": _exact, "projected": _projected}
