"""Deep Fourier generator without an encoder: each training image has its own latent (thesis, algorithm 2).

Latents and decoder are trained together; a new image is encoded by fitting its latent to it.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from dfm.batch import Batch
from models.layers import errors, hypernetwork, latent_fit
from models.layers.hypernetwork import Hypernetwork


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose sizes.

    Attributes:
        latent: dimensions of z.
        hidden: widths of the MLP from z to coefficients.
        width: of the Fourier network.
        depth: hidden activations of the Fourier network.
        gain: how fast its coefficients follow the MLP.
        stride: between the pixels, each way, that a step of training evaluates; 1 for all.
        penalty: weight of |z|^2 / 2 over the number of pixels' values, which keeps latents near N(0, 1).
        fit_steps: with which an image is encoded.
        fit_rate: learning rate of that.
    """

    latent: int = 120
    hidden: tuple[int, ...] = (256, 512)
    width: int = 4
    depth: int = 4
    gain: float = 1.0
    stride: int = 1
    penalty: float = 1e-3
    fit_steps: int = 200
    fit_rate: float = 0.05


class Model(nnx.Module):
    """Own a latent an image, and the decoder of all."""

    def __init__(self, config: Config, shape: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        count, self.height, self.width, channels = shape
        self.values = self.height * self.width * channels
        self.config = config
        self.latents = nnx.Param(0.1 * jax.random.normal(rngs.params(), (count, config.latent)))
        self.hypernetwork = Hypernetwork(
            config.latent, config.hidden, config.width, config.depth, channels, config.gain, rngs=rngs
        )

    def decode(self, z: Float[Array, "b d"], scale: int = 1) -> Float[Array, "b h w c"]:
        """Evaluate the networks of latents at every pixel, or `scale` times as many each way: in (0, 1)."""
        x = hypernetwork.positions(scale * self.height, scale * self.width)
        return hypernetwork.images(self.hypernetwork(z), x)

    def encode(self, images: Float[Array, "b h w c"]) -> Float[Array, "b d"]:
        """Fit a latent to each image, from the mean of the training latents on."""
        start = jnp.broadcast_to(self.latents[...].mean(0), (len(images), self.config.latent))

        def objective(z: Float[Array, "b d"]) -> Float[Array, " b"]:
            return _objective(self, z, errors.mse(self.decode(z), images))

        return latent_fit.fit(objective, start, self.config.fit_steps, self.config.fit_rate)


def loss(model: Model, batch: Batch, key: PRNGKeyArray) -> tuple[Array, dict[str, Array]]:
    """Compute the mean squared error in [-1, 1] (thesis, eq. 4.8) plus the penalty of latents."""
    z = model.latents[...][batch.indices]
    x, wanted = hypernetwork.thin(batch.images, model.config.stride, key)
    mse = errors.mse(hypernetwork.images(model.hypernetwork(z), x), wanted)
    value = jnp.mean(_objective(model, z, mse))
    return value, {"psnr_db": errors.psnr(mse), "latent": jnp.sqrt(jnp.mean(z**2))}


def sample(model: Model, key: PRNGKeyArray, n: int) -> Float[Array, "n h w c"]:
    """Decode latents drawn from N(0, I)."""
    return model.decode(jax.random.normal(key, (n, model.config.latent)))


def _objective(model: Model, z: Float[Array, "b d"], mse: Float[Array, " b"]) -> Float[Array, " b"]:
    return 4 * mse + model.config.penalty * 0.5 * jnp.sum(z**2, axis=1) / model.values
