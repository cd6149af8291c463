"""Normalize activations."""

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float


def group(channels: int, groups: int, *, rngs: nnx.Rngs) -> nnx.GroupNorm:
    """Make a norm over `groups` groups of channels, or as many as divide both (Wu and He, ECCV 2018)."""
    return nnx.GroupNorm(channels, num_groups=math.gcd(channels, groups), rngs=rngs)


def silu(norm: nnx.GroupNorm, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Give silu(norm(x)), with fewer passes over x than `norm` makes: the statistics join the factors."""
    assert norm.scale is not None
    assert norm.bias is not None
    count = x[0].size // norm.num_groups

    def averaged(sums: Float[Array, "b c"]) -> Float[Array, "b c"]:
        of_groups = sums.reshape(len(x), norm.num_groups, -1).sum(-1) / count
        return jnp.repeat(of_groups, norm.group_size, axis=1)

    mean, square = averaged(x.sum((1, 2))), averaged((x * x).sum((1, 2)))
    factor = norm.scale[...] * jax.lax.rsqrt(jnp.maximum(square - mean**2, 0) + norm.epsilon)
    shift = norm.bias[...] - mean * factor
    return jax.nn.silu(x * factor[:, None, None] + shift[:, None, None])
