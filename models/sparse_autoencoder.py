"""Sparse autoencoder: few units of an overcomplete code are active (Ng, CS294A lecture notes, 2011)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from dfm.batch import Batch
from models.layers import errors
from models.layers.convolutional import Decoder, Encoder

_EPSILON = 1e-6  # keeps logarithms finite


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose sizes and the penalty.

    A decoder that grows as the code shrinks evades L1: give the training some `weight_decay`, as Ng does.

    Attributes:
        latent: units of the code.
        convolutions: widths of the encoder's convolutions, each of which halves the image; the decoder's are
            the reverse.
        dense: widths of the hidden dense layers, likewise.
        penalty: "kl" on the rate at which a sigmoid unit is active, or "l1" on the activation of ReLU units.
        weight: of the penalty, averaged over the units, beside the mean squared error.
        active: rate that "kl" asks of each unit.
    """

    latent: int = 256
    convolutions: tuple[int, ...] = ()
    dense: tuple[int, ...] = ()
    penalty: Literal["kl", "l1"] = "kl"
    weight: float = 1.0
    active: float = 0.05


class Model(nnx.Module):
    """Own encoder and decoder."""

    def __init__(self, config: Config, shape: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        self.config = config
        sizes = shape[1:], config.convolutions
        self.encoder = Encoder(*sizes, config.dense, config.latent, rngs=rngs)
        self.decoder = Decoder(config.latent, *sizes, config.dense[::-1], rngs=rngs)

    def encode(self, images: Float[Array, "b h w c"]) -> Float[Array, "b d"]:
        """Give the code, of activations at or above 0."""
        return _SPARSITY[self.config.penalty].activation(self.encoder(images))

    def decode(self, code: Float[Array, "b d"]) -> Float[Array, "b h w c"]:
        """Give images in [0, 1]."""
        return jax.nn.sigmoid(self.decoder(code))


def loss(model: Model, batch: Batch, key: PRNGKeyArray) -> tuple[Array, dict[str, Array]]:
    """Compute the mean squared error of the reconstruction, and the penalty on the code."""
    config, code = model.config, model.encode(batch.images)
    sparsity, mse = _SPARSITY[config.penalty], errors.mse(model.decode(code), batch.images)
    penalty = jnp.mean(sparsity.penalty(code, config.active))
    value = jnp.mean(mse) + config.weight * penalty
    metrics = {"psnr_db": errors.psnr(mse), "penalty": penalty, "active_share": sparsity.active(code)}
    return value, metrics


class _Sparsity(NamedTuple):
    """Say what units of a code do, what each costs, and which share of them is active."""

    activation: Callable[[Float[Array, "b d"]], Float[Array, "b d"]]
    penalty: Callable[[Float[Array, "b d"], float], Float[Array, " d"]]
    active: Callable[[Float[Array, "b d"]], Float[Array, ""]]


def _l1(code: Float[Array, "b d"], active: float) -> Float[Array, " d"]:
    return jnp.mean(jnp.abs(code), axis=0)


def _kl(code: Float[Array, "b d"], active: float) -> Float[Array, " d"]:
    """Compute KL(Bernoulli(active) || Bernoulli(rate)) of each unit's mean activation in the batch."""
    rate = jnp.clip(jnp.mean(code, axis=0), _EPSILON, 1 - _EPSILON)
    return active * jnp.log(active / rate) + (1 - active) * jnp.log((1 - active) / (1 - rate))


_SPARSITY = {
    "l1": _Sparsity(jax.nn.relu, _l1, lambda code: jnp.mean(code > 0)),
    "kl": _Sparsity(jax.nn.sigmoid, _kl, jnp.mean),
}
