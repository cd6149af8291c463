"""Corrupt images, for what denoises them (Vincent et al., JMLR 11, 2010, 3.3)."""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

Name = Literal["gaussian", "masking", "salt_and_pepper", "dropout"]
Images = Float[Array, "b h w c"]


def apply(name: Name, images: Images, level: float, key: PRNGKeyArray) -> Images:
    """Corrupt images in [0, 1] by the corruption of that name."""
    return _ALL[name](images, level, key)


def gaussian(images: Images, level: float, key: PRNGKeyArray) -> Images:
    """Add normal noise of deviation `level`."""
    return images + level * jax.random.normal(key, images.shape)


def masking(images: Images, level: float, key: PRNGKeyArray) -> Images:
    """Set a share of the values to 0."""
    return images * jax.random.bernoulli(key, 1 - level, images.shape)


def salt_and_pepper(images: Images, level: float, key: PRNGKeyArray) -> Images:
    """Set a share of the values to 0 or 1, by a fair coin."""
    u = jax.random.uniform(key, images.shape)
    return jnp.where(u < level, (u < level / 2).astype(images.dtype), images)


def dropout(images: Images, level: float, key: PRNGKeyArray) -> Images:
    """Mask, and keep the mean by the factor of those that stay (Srivastava et al., JMLR 15, 2014, 10)."""
    return masking(images, level, key) / (1 - level)


_ALL: dict[Name, Callable[[Images, float, PRNGKeyArray], Images]] = {
    "gaussian": gaussian,
    "masking": masking,
    "salt_and_pepper": salt_and_pepper,
    "dropout": dropout,
}
