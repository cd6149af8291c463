"""Deep Fourier autoencoder with a grid of latents: each cell has a Fourier network of its own.

One latent for a whole image has a ceiling that sets like CIFAR-10 lie above (Bauer et al., Spatial Functa,
2023). Here a cell's network is evaluated on a window twice the cell's side, and neighbors are blended, so
that no seam is seen at any resolution. With `beta` above 0 it is a variational one.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from dfm.batch import Batch
from models.layers import errors, likelihood, normal
from models.layers.grids import Decoder, Encoder
from models.layers.likelihood import Kind


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose sizes.

    Attributes:
        latent: dimensions of z in each cell.
        convolutions: widths of the encoder's convolutions, each of which halves the image: a cell's side is 2
            to the power of their number.
        mixed: channels of the convolutions that look at neighboring latents before a cell's network is made.
        blocks: number of these, residual ones.
        hidden: widths of the MLP from there to coefficients.
        width: of the Fourier networks.
        depth: hidden activations of the Fourier networks.
        gain: how fast their coefficients follow the MLP.
        likelihood: of a pixel given z: "gaussian" (L2) or "laplace" (L1), of the best deviation for each
            batch, or "bernoulli".
        beta: weight of KL(q(z | x) || N(0, I)); with 0, z is what the encoder says, without noise.
    """

    latent: int = 4
    convolutions: tuple[int, ...] = (32, 64)
    mixed: int = 64
    blocks: int = 2
    hidden: tuple[int, ...] = (128,)
    width: int = 3
    depth: int = 2
    gain: float = 1.0
    likelihood: Kind = "gaussian"
    beta: float = 0.0


class Model(nnx.Module):
    """Own encoder and decoder."""

    def __init__(self, config: Config, shape: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        self.size, channels = shape[1:3], shape[3]
        self.config, self.side = config, 2 ** len(config.convolutions)
        self.cells = -(-self.size[0] // self.side), -(-self.size[1] // self.side)
        self.encoder = Encoder(channels, config.convolutions, 2 * config.latent, rngs=rngs)
        self.decoder = Decoder(
            config.latent,
            config.mixed,
            config.blocks,
            config.hidden,
            config.width,
            config.depth,
            channels,
            config.gain,
            rngs=rngs,
        )

    def posterior(self, images: Float[Array, "b h w c"]) -> normal.Normal:
        """Give q(z | x)."""
        return normal.halves(self.encoder(images))

    def encode(self, images: Float[Array, "b h w c"]) -> Float[Array, "b gh gw d"]:
        """Give the mean of q(z | x)."""
        return self.posterior(images).mean

    def decode(self, z: Float[Array, "b gh gw d"], scale: int = 1) -> Float[Array, "b h w c"]:
        """Evaluate the networks of all cells, at `scale` times the pixels each way, and blend: in (0, 1)."""
        height, width = (scale * n for n in self.size)
        return self.decoder(z, scale * self.side)[:, :height, :width]


def loss(model: Model, batch: Batch, key: PRNGKeyArray) -> tuple[Array, dict[str, Array]]:
    """Compute the negative ELBO, in nats a pixel's value."""
    posterior = model.posterior(batch.images)
    z = normal.sample(posterior, key) if model.config.beta else posterior.mean
    images = model.decode(z)
    fit = likelihood.at_best(model.config.likelihood, images, batch.images)
    kl = jnp.mean(jnp.sum(normal.kl(posterior), axis=(1, 2, 3)))
    value = (model.config.beta * kl - fit) / batch.images[0].size
    return value, {"psnr_db": errors.psnr(errors.mse(images, batch.images)), "kl_nats": kl}


def sample(model: Model, key: PRNGKeyArray, n: int) -> Float[Array, "n h w c"]:
    """Decode latents drawn from N(0, I)."""
    return model.decode(jax.random.normal(key, (n, *model.cells, model.config.latent)))
