"""Log-densities of images given what a decoder makes of a latent, in nats an image."""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

_LOG_2PI = 1.8378770664093453
_EPSILON = 1e-6  # keeps log odds finite

Image = Float[Array, "b h w c"]
Kind = Literal["gaussian", "laplace", "bernoulli"]
Deviation = Literal["best", "learned", "fixed"]


class Likelihood(nnx.Module):
    """Evaluate log p(x | z) of independent pixels, of which the decoder gives the log odds of the mean.

    Args:
        kind: of errors: normal (L2), Laplace's (L1), or those of black and white, which have no deviation.
        deviation: of all pixels, for Laplace the scale: the best for each batch, a parameter, or fixed.
        fixed: where the deviation is fixed, or starts to be learned.

    Raises:
        ValueError: `fixed` is not positive.
    """

    def __init__(self, kind: Kind, deviation: Deviation, fixed: float) -> None:
        if fixed <= 0:
            raise ValueError(f"the deviation is {fixed}; choose a positive one")
        self.kind = kind
        self.log_deviation = _KEPT[deviation](jnp.log(fixed)) if kind in _BEST else None

    def __call__(self, logits: Image, images: Image) -> Float[Array, " b"]:
        if self.kind not in _BEST:
            return bernoulli(logits, images)
        mean = jax.nn.sigmoid(logits)
        kept = self.log_deviation
        log_deviation = _BEST[self.kind](mean, images) if kept is None else kept[...]
        return _DENSITIES[self.kind](mean, log_deviation, images)


def bernoulli(logits: Image, images: Image) -> Float[Array, " b"]:
    """Take pixels as chances of white, `logits` as log odds (Kingma and Welling, ICLR 2014, C.1)."""
    return jnp.sum(images * logits - jax.nn.softplus(logits), axis=(1, 2, 3))


def gaussian(mean: Image, log_deviation: Float[Array, ""], images: Image) -> Float[Array, " b"]:
    """Take errors as normal, of one deviation for all pixels (L2)."""
    z = (images - mean) * jnp.exp(-log_deviation)
    return jnp.sum(-0.5 * (z**2 + _LOG_2PI) - log_deviation, axis=(1, 2, 3))


def laplace(mean: Image, log_scale: Float[Array, ""], images: Image) -> Float[Array, " b"]:
    """Take errors as Laplace's, of one scale for all pixels (L1)."""
    z = jnp.abs(images - mean) * jnp.exp(-log_scale)
    return jnp.sum(-z - log_scale - jnp.log(2.0), axis=(1, 2, 3))


def at_best(kind: Kind, mean: Image, images: Image) -> Float[Array, ""]:
    """Average over images, from means, at the deviation that suits them best (Rybkin et al., 2021, 3.2)."""
    if kind in _BEST:
        return jnp.mean(_DENSITIES[kind](mean, _BEST[kind](mean, images), images))
    return jnp.mean(bernoulli(jax.scipy.special.logit(jnp.clip(mean, _EPSILON, 1 - _EPSILON)), images))


_BEST: dict[Kind, Callable[[Image, Image], Array]] = {
    "gaussian": lambda mean, images: 0.5 * jnp.log(jnp.mean((images - mean) ** 2)),
    "laplace": lambda mean, images: jnp.log(jnp.mean(jnp.abs(images - mean))),
}
_DENSITIES: dict[Kind, Callable[[Image, Array, Image], Array]] = {"gaussian": gaussian, "laplace": laplace}
_KEPT: dict[Deviation, Callable[[Array], nnx.Variable[Array] | None]] = {
    "best": lambda _: None,
    "learned": nnx.Param,
    "fixed": nnx.Variable,
}
