"""Denoising diffusion of images, or of another model's latents (Ho et al., NeurIPS 2020).

A U-Net tells the velocity v of x_t = cos(phi) x + sin(phi) noise, and so both parts of it (Salimans and Ho,
ICLR 2022, appendix D): x = cos(phi) x_t - sin(phi) v, and noise = sin(phi) x_t + cos(phi) v.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from dfm.batch import Batch
from models.layers import diffusion
from models.layers.unet import UNet, Up

Of = Literal["images", "latents"]
Error = Literal["velocity", "noise", "image"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose sizes.

    Attributes:
        of: what is diffused: images in [0, 1], which are brought to [-1, 1], or latents, as they are.
        widths: of the U-Net's levels, the finest first.
        up: how it doubles.
        error: whose square is the loss; that of the noise is the paper's (eq. 14).
        steps: of sampling.
    """

    of: Of = "images"
    widths: tuple[int, ...] = (16, 32)
    up: Up = "nearest"
    error: Error = "velocity"
    steps: int = 50


class Model(nnx.Module):
    """Own a U-Net that is told the time."""

    def __init__(self, config: Config, shape: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        self.config, self.shape = config, shape[1:]
        self.time = diffusion.Time(rngs=rngs)
        self.unet = UNet(
            shape[3], shape[3], config.widths, "same", config.up, "group", condition=diffusion.TIME, rngs=rngs
        )

    def velocity(self, x: Float[Array, "b h w c"], t: Float[Array, " b"]) -> Float[Array, "b h w c"]:
        """Predict d x_t / d phi."""
        return self.unet(x, self.time(t))


def loss(model: Model, batch: Batch, key: PRNGKeyArray) -> tuple[Array, dict[str, Array]]:
    """Compute the mean square error of the velocity, or of a part that follows from it."""
    of_time, of_noise = jax.random.split(key)
    t = diffusion.times(of_time, len(batch.images))
    noise = jax.random.normal(of_noise, batch.images.shape)
    diffused, velocity = diffusion.diffuse(_CENTER[model.config.of](batch.images), noise, t)
    errors = jnp.mean((model.velocity(diffused, t) - velocity) ** 2, axis=(1, 2, 3))
    return jnp.mean(_SHARE[model.config.error](jnp.pi / 2 * t) * errors), {"velocity_mse": jnp.mean(errors)}


def sample(model: Model, key: PRNGKeyArray, n: int) -> Float[Array, "n h w c"]:
    """Turn noise into images or latents, by DDIM (Song et al., ICLR 2021)."""
    noise = jax.random.normal(key, (n, *model.shape))
    return _RESTORE[model.config.of](diffusion.ddim(model.velocity, noise, model.config.steps))


_SHARE: dict[Error, Callable[[Array], Array]] = {  # of the error of the velocity, which each part's is
    "velocity": jnp.ones_like,
    "noise": lambda phi: jnp.cos(phi) ** 2,
    "image": lambda phi: jnp.sin(phi) ** 2,
}
_CENTER: dict[Of, Callable[[Array], Array]] = {"images": lambda x: 2 * x - 1, "latents": lambda x: x}
_RESTORE: dict[Of, Callable[[Array], Array]] = {
    "images": lambda x: jnp.clip((x + 1) / 2, 0, 1),
    "latents": lambda x: x,
}
