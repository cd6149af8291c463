"""Measure how far images are from others, inside of a loss."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def mse(a: Float[Array, "b ..."], b: Float[Array, "b ..."]) -> Float[Array, " b"]:
    """Average the squares of the differences over each image."""
    return jnp.mean((a - b) ** 2, axis=tuple(range(1, a.ndim)))


def psnr(mse: Float[Array, " b"]) -> Float[Array, ""]:
    """Give the PSNR, in dB, of the mean of such errors of images in [0, 1]."""
    return -10 * jnp.log10(jnp.mean(mse))
