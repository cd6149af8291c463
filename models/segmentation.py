"""Segmentation: a U-Net tells the class of every pixel (Ronneberger et al., MICCAI 2015)."""

from dataclasses import dataclass

import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from dfm.batch import Batch
from models.layers.unet import Padding, UNet, Up


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose sizes.

    Attributes:
        classes: of pixels.
        widths: of the U-Net's levels, the finest first.
        padding: of its convolutions; "valid", as published, mirrors the image at its border.
        up: how it doubles.
    """

    classes: int = 11
    widths: tuple[int, ...] = (16, 32)
    padding: Padding = "same"
    up: Up = "transposed"


class Model(nnx.Module):
    """Own one U-Net, to log odds."""

    def __init__(self, config: Config, shape: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        self.config = config
        self.unet = UNet(
            shape[3], config.classes, config.widths, config.padding, config.up, "group", rngs=rngs
        )

    def __call__(self, images: Float[Array, "b h w c"]) -> Float[Array, "b h w classes"]:
        """Give log odds of the classes of pixels."""
        return self.unet(images)

    def predict(self, images: Float[Array, "b h w c"]) -> Int[Array, "b h w"]:
        """Give the likeliest classes."""
        return self(images).argmax(-1)


def loss(model: Model, batch: Batch, key: PRNGKeyArray) -> tuple[Array, dict[str, Array]]:
    """Compute the cross-entropy of a pixel, in nats."""
    logits = model(batch.images)
    value = jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, batch.labels))
    return value, {"accuracy": jnp.mean(logits.argmax(-1) == batch.labels)}
