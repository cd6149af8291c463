"""Tell real images from generated ones, patch by patch (Isola et al., CVPR 2017, 3.2.2)."""

import itertools
from collections.abc import Sequence

import jax
from flax import nnx
from jaxtyping import Array, Float

from models.layers import convolution


class Discriminator(nnx.Module):
    """Halve images once for each of `widths`, and give one logit a patch.

    There is no norm: a gradient penalty looks at each image alone (Gulrajani et al., NIPS 2017, 4).
    """

    def __init__(self, channels: int, widths: Sequence[int], *, rngs: nnx.Rngs) -> None:
        pairs = itertools.pairwise((channels, *widths))
        self.layers = nnx.List([convolution.conv(n, m, (4, 4), (2, 2), rngs=rngs) for n, m in pairs])
        # A bias here would be all that a Wasserstein loss leaves undetermined.
        self.last = convolution.conv(widths[-1], 1, (3, 3), use_bias=False, rngs=rngs)

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b p q"]:
        for layer in self.layers:
            x = jax.nn.leaky_relu(layer(x), 0.2)
        return self.last(x)[..., 0]
