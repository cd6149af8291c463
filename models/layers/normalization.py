"""Normalize activations."""

import math

from flax import nnx


def group(channels: int, groups: int, *, rngs: nnx.Rngs) -> nnx.GroupNorm:
    """Make a norm over `groups` groups of channels, or as many as divide both (Wu and He, ECCV 2018)."""
    return nnx.GroupNorm(channels, num_groups=math.gcd(channels, groups), rngs=rngs)
