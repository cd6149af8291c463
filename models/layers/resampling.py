"""Halve images by the largest value of each 2x2 block, and double them again, to where these were or not."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

_SIDE = 2

Places = Int[Array, "b h w c"]  # of the largest value in each block, 0 to 3, row by row


def max_pool(x: Float[Array, "b h2 w2 c"]) -> tuple[Float[Array, "b h w c"], Places]:
    """Give the largest value of each block, and its place; of equal ones the first."""
    b, h, w, c = x.shape
    blocks = x.reshape(b, h // _SIDE, _SIDE, w // _SIDE, _SIDE, c).transpose(0, 1, 3, 5, 2, 4)
    blocks = blocks.reshape(b, h // _SIDE, w // _SIDE, c, _SIDE**2)
    places = jnp.argmax(blocks, axis=-1)
    return jnp.sum(blocks * _one_hot(places), axis=-1), places  # far faster than to gather and scatter


def unpool(x: Float[Array, "b h w c"], places: Places) -> Float[Array, "b h2 w2 c"]:
    """Put each value at its place in a block of zeros (Zeiler and Fergus, ECCV 2014, 2.1)."""
    b, h, w, c = x.shape
    blocks = (x[..., None] * _one_hot(places)).reshape(b, h, w, c, _SIDE, _SIDE)
    return blocks.transpose(0, 1, 4, 2, 5, 3).reshape(b, _SIDE * h, _SIDE * w, c)


def bed_of_nails(x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
    """Put each value at the top left of a block of zeros."""
    return unpool(x, jnp.zeros(x.shape, int))


def nearest(x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
    """Fill a block with each value."""
    return x.repeat(_SIDE, axis=1).repeat(_SIDE, axis=2)


def _one_hot(places: Places) -> Float[Array, "b h w c 4"]:
    return jax.nn.one_hot(places, _SIDE**2)
