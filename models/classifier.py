"""A small convolutional classifier: it tells which digit, or what else, samples show, and how surely."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from dfm.batch import Batch
from models.layers.convolutional import Encoder


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose sizes.

    Attributes:
        convolutions: widths of the convolutions, each of which halves the image.
        dense: widths of the hidden dense layers.
        dropped: part of the pixels that a step does not see, in training.
    """

    classes: int = 10
    convolutions: tuple[int, ...] = (32, 64)
    dense: tuple[int, ...] = (128,)
    dropped: float = 0.2


class Model(nnx.Module):
    """Own one encoder, to log odds."""

    def __init__(self, config: Config, shape: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        self.config = config
        self.encoder = Encoder(shape[1:], config.convolutions, config.dense, config.classes, rngs=rngs)

    def __call__(self, images: Float[Array, "b h w c"]) -> Float[Array, "b classes"]:
        """Give log odds of the classes."""
        return self.encoder(images)


def loss(model: Model, batch: Batch, key: PRNGKeyArray) -> tuple[Array, dict[str, Array]]:
    """Compute the cross-entropy, in nats."""
    kept = jax.random.bernoulli(key, 1 - model.config.dropped, batch.images.shape)
    logits = model(batch.images * kept)
    value = jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, batch.labels))
    return value, {"accuracy": jnp.mean(logits.argmax(1) == batch.labels)}
