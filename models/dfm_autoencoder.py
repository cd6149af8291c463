"""Deep Fourier autoencoder: an encoder gives the latent, an MLP its Fourier network (thesis, algorithm 3).

With `beta` above 0 it is a variational one (Kingma and Welling, ICLR 2014).
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from dfm.batch import Batch
from models.layers import errors, hypernetwork, likelihood, normal
from models.layers.convolutional import Encoder
from models.layers.hypernetwork import Hypernetwork
from models.layers.likelihood import Kind


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose sizes.

    Attributes:
        latent: dimensions of z.
        convolutions: widths of the encoder's convolutions, each of which halves the image; none for an MLP.
        dense: widths of the encoder's hidden dense layers.
        hidden: widths of the MLP from z to coefficients.
        width: of the Fourier network.
        depth: hidden activations of the Fourier network.
        gain: how fast its coefficients follow the MLP.
        stride: between the pixels, each way, that a step of training evaluates; 1 for all.
        likelihood: of a pixel given z: "gaussian" (L2) or "laplace" (L1), of the best deviation for each
            batch, or "bernoulli".
        beta: weight of KL(q(z | x) || N(0, I)); with 0, z is what the encoder says, without noise.
    """

    latent: int = 32
    convolutions: tuple[int, ...] = (32, 64)
    dense: tuple[int, ...] = (256,)
    hidden: tuple[int, ...] = (256, 512)
    width: int = 4
    depth: int = 4
    gain: float = 1.0
    stride: int = 1
    likelihood: Kind = "gaussian"
    beta: float = 0.0


class Model(nnx.Module):
    """Own encoder and decoder."""

    def __init__(self, config: Config, shape: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        _, self.height, self.width, channels = shape
        self.config = config
        self.encoder = Encoder(shape[1:], config.convolutions, config.dense, 2 * config.latent, rngs=rngs)
        self.hypernetwork = Hypernetwork(
            config.latent, config.hidden, config.width, config.depth, channels, config.gain, rngs=rngs
        )

    def posterior(self, images: Float[Array, "b h w c"]) -> normal.Normal:
        """Give q(z | x)."""
        return normal.halves(self.encoder(images))

    def encode(self, images: Float[Array, "b h w c"]) -> Float[Array, "b d"]:
        """Give the mean of q(z | x)."""
        return self.posterior(images).mean

    def decode(self, z: Float[Array, "b d"], scale: int = 1) -> Float[Array, "b h w c"]:
        """Evaluate the networks of latents at every pixel, or `scale` times as many each way: in (0, 1)."""
        x = hypernetwork.positions(scale * self.height, scale * self.width)
        return hypernetwork.images(self.hypernetwork(z), x)


def loss(model: Model, batch: Batch, key: PRNGKeyArray) -> tuple[Array, dict[str, Array]]:
    """Compute the negative ELBO, in nats a pixel's value."""
    config, posterior = model.config, model.posterior(batch.images)
    noise, offset = jax.random.split(key)
    z = normal.sample(posterior, noise) if config.beta else posterior.mean
    x, wanted = hypernetwork.thin(batch.images, config.stride, offset)
    images = hypernetwork.images(model.hypernetwork(z), x)
    fit = likelihood.at_best(config.likelihood, images, wanted) / wanted[0].size
    kl = jnp.mean(jnp.sum(normal.kl(posterior), axis=1))
    value = config.beta * kl / batch.images[0].size - fit
    return value, {"psnr_db": errors.psnr(errors.mse(images, wanted)), "kl_nats": kl}


def sample(model: Model, key: PRNGKeyArray, n: int) -> Float[Array, "n h w c"]:
    """Decode latents drawn from N(0, I)."""
    return model.decode(jax.random.normal(key, (n, model.config.latent)))
