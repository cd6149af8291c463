"""Fully convolutional variational autoencoder of latent diffusion (Rombach et al., CVPR 2022, 3.1)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from dfm.batch import Batch
from models.layers import adversarial, errors, lpips, normal
from models.layers.adversarial import Objective
from models.layers.discriminator import Discriminator
from models.layers.spatial import Decoder, Encoder

_DISTANCES: dict[str, Callable[[Array], Array]] = {"l1": jnp.abs, "l2": jnp.square}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose sizes.

    Attributes:
        latent: dimensions of z at each place of its grid.
        widths: of the levels, the finest first; each but the last is halved into the next.
        reconstruction: distance of a pixel's value, absolute ("l1") or squared ("l2").
        beta: weight of KL(q(z | x) || N(0, I)), in nats a pixel's value.
        perceptual: weight of LPIPS; with 0 there is none.
        network: of LPIPS.
        adversarial: weight of the generator's loss against a discriminator; with 0 there is none.
        discriminator: widths of the discriminator's convolutions, each of which halves the image.
        objective: of decoder and discriminator.
    """

    latent: int = 4
    widths: tuple[int, ...] = (32, 32, 64, 64)
    reconstruction: Literal["l1", "l2"] = "l1"
    beta: float = 1e-4
    perceptual: float = 0.0
    network: lpips.Network = "alexnet"
    adversarial: float = 0.0
    discriminator: tuple[int, ...] = (32, 64)
    objective: Objective = "hinge"


class Model(nnx.Module):
    """Own encoder and decoder, and what judges them."""

    def __init__(self, config: Config, shape: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        _, *size, channels = shape
        self.config, self.size, self.factor = config, tuple(size), 2 ** (len(config.widths) - 1)
        self.grid = tuple(-(-side // self.factor) for side in size)
        self.encoder = Encoder(channels, config.widths, 2 * config.latent, rngs=rngs)
        self.decoder = Decoder(config.latent, config.widths, channels, rngs=rngs)
        self.lpips = lpips.LPIPS(config.network, lpips.load(config.network)) if config.perceptual else None
        self.discriminator = (
            Discriminator(channels, config.discriminator, rngs=rngs) if config.adversarial else None
        )

    def posterior(self, images: Float[Array, "b h w c"]) -> normal.Normal:
        """Give q(z | x), a place for each `factor` x `factor` pixels of images, continued by their edges."""
        pads = [(0, -side % self.factor) for side in images.shape[1:3]]
        return normal.halves(self.encoder(jnp.pad(images, ((0, 0), *pads, (0, 0)), "edge")))

    def encode(self, images: Float[Array, "b h w c"]) -> Float[Array, "b gh gw d"]:
        """Give the mean of q(z | x)."""
        return self.posterior(images).mean

    def decode(
        self, z: Float[Array, "b gh gw d"], size: Sequence[int] | None = None
    ) -> Float[Array, "b h w c"]:
        """Give the images of latents, in [0, 1], of `size` or else of the size trained on."""
        height, width = size or self.size
        return jax.nn.sigmoid(self.decoder(z))[:, :height, :width]


def loss(model: Model, batch: Batch, key: PRNGKeyArray) -> tuple[Array, dict[str, Array]]:
    """Add distances of pixels and features, KL(q(z | x) || N(0, I)), and a game against a discriminator."""
    config, images = model.config, batch.images
    of_noise, of_places = jax.random.split(key)
    posterior = model.posterior(images)
    made = model.decode(normal.sample(posterior, of_noise), images.shape[1:3])
    kl = jnp.sum(normal.kl(posterior)) / len(images)
    value = jnp.mean(_DISTANCES[config.reconstruction](made - images)) + config.beta * kl / images[0].size
    metrics = {"psnr_db": errors.psnr(errors.mse(made, images)), "kl_nats": kl}
    if model.lpips:
        metrics["lpips"] = jnp.mean(model.lpips(made, images))
        value += config.perceptual * metrics["lpips"]
    if model.discriminator:
        terms = adversarial.terms(model.discriminator, images, made, of_places, config.objective, "none")
        metrics |= {"generator": terms.generator, "discriminator": terms.discriminator}
        value += config.adversarial * terms.generator + terms.discriminator
    return value, metrics


def sample(model: Model, key: PRNGKeyArray, n: int) -> Float[Array, "n h w c"]:
    """Decode latents drawn from N(0, I)."""
    return model.decode(jax.random.normal(key, (n, *model.grid, model.config.latent)))
