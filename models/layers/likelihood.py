"""Log-densities of images given what a decoder makes of a latent, in nats an image."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_LOG_2PI = 1.8378770664093453

Image = Float[Array, "b h w c"]


def bernoulli(logits: Image, images: Image) -> Float[Array, " b"]:
    """Take pixels as chances of white, `logits` as log odds (Kingma and Welling, ICLR 2014, C.1)."""
    return jnp.sum(images * logits - jax.nn.softplus(logits), axis=(1, 2, 3))


def gaussian(mean: Image, log_deviation: Float[Array, ""], images: Image) -> Float[Array, " b"]:
    """Take errors as normal, of one deviation for all pixels (L2)."""
    z = (images - mean) * jnp.exp(-log_deviation)
    return jnp.sum(-0.5 * (z**2 + _LOG_2PI) - log_deviation, axis=(1, 2, 3))


def gaussian_at_best(mean: Image, images: Image) -> Float[Array, ""]:
    """Average as `gaussian` at the deviation that suits the batch best (Rybkin et al., ICML 2021, 3.2)."""
    mse = jnp.mean((images - mean) ** 2)
    return -0.5 * images[0].size * (jnp.log(mse) + _LOG_2PI + 1)


def laplace(mean: Image, log_scale: Float[Array, ""], images: Image) -> Float[Array, " b"]:
    """Take errors as Laplace's, of one scale for all pixels (L1)."""
    z = jnp.abs(images - mean) * jnp.exp(-log_scale)
    return jnp.sum(-z - log_scale - jnp.log(2.0), axis=(1, 2, 3))
