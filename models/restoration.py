"""Restoration: a U-Net tells what images lack, be it their colors or what noise hides.

It predicts the difference alone (Zhang et al., Beyond a Gaussian denoiser, IEEE TIP 2017, 3.2).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from dfm.batch import Batch
from models.layers import corruption, errors
from models.layers.unet import UNet, Up

_LUMA = 0.299, 0.587, 0.114  # BT.601

Damage = Literal["noise", "gray"]
Error = Literal["squares", "absolute"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose what is restored, and sizes.

    Attributes:
        damage: normal noise, or the loss of all but luma.
        sigma: deviation of the noise, in steps of 1/255.
        error: whose mean is the loss: squares (L2), or absolute values (L1).
        widths: of the U-Net's levels, the finest first.
        up: how it doubles.
    """

    damage: Damage = "noise"
    sigma: float = 25.0
    error: Error = "squares"
    widths: tuple[int, ...] = (16, 32)
    up: Up = "transposed"


class Model(nnx.Module):
    """Own one U-Net."""

    def __init__(self, config: Config, shape: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        self.config = config
        self.unet = UNet(shape[3], shape[3], config.widths, "same", config.up, "none", rngs=rngs)

    @property
    def damage(self) -> str:
        """Name what `degrade` does."""
        return f"noise {self.config.sigma:g}/255" if self.config.damage == "noise" else self.config.damage

    def degrade(self, images: Float[Array, "b h w c"], key: PRNGKeyArray) -> Float[Array, "b h w c"]:
        """Damage images; under noise they leave [0, 1]."""
        return _DAMAGE[self.config.damage](images, self.config.sigma / 255, key)

    def restore(self, degraded: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Add what is missing."""
        return degraded + self.unet(degraded)


def loss(model: Model, batch: Batch, key: PRNGKeyArray) -> tuple[Array, dict[str, Array]]:
    """Compute the mean error of restored images."""
    restored = model.restore(model.degrade(batch.images, key))
    value = jnp.mean(_ERROR[model.config.error](restored - batch.images))
    return value, {"psnr_db": errors.psnr(errors.mse(restored, batch.images))}


def _gray(images: Array, deviation: float, key: PRNGKeyArray) -> Array:
    weights = jnp.array(_LUMA) if images.shape[-1] == len(_LUMA) else None
    luma = jnp.average(images, axis=-1, weights=weights, keepdims=True)
    return jnp.broadcast_to(luma, images.shape)


_DAMAGE: dict[Damage, Callable[[Array, float, PRNGKeyArray], Array]] = {
    "noise": corruption.gaussian,
    "gray": _gray,
}
_ERROR: dict[Error, Callable[[Array], Array]] = {"squares": jnp.square, "absolute": jnp.abs}
