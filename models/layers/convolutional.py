"""Encode images by convolutions that halve, and dense layers, either of them none; decode by the reverse."""

import math
from collections.abc import Callable, Sequence
from typing import Literal

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from models.layers import convolution, normalization, resampling
from models.layers.convolution import ConvTranspose
from models.layers.mlp import MLP

Down = Literal["strided", "pooled"]
Up = Literal["transposed", "nearest"]

_KERNEL = 4, 4
_STRIDE = 2, 2
_SMALL = 3, 3  # kernel where a convolution keeps the size
_GROUPS = 8


class Encoder(nnx.Module):
    """Halve images once for each of `convolutions`, then map what is left to `outputs` numbers by an MLP."""

    def __init__(
        self,
        shape: Sequence[int],
        convolutions: Sequence[int],
        dense: Sequence[int],
        outputs: int,
        *,
        down: Down = "strided",
        rngs: nnx.Rngs,
    ) -> None:
        pairs = zip((shape[-1], *convolutions), convolutions, strict=False)
        self.convolutions = nnx.List([_HALVING[down](n, m, rngs) for n, m in pairs])
        self.norms = nnx.List([normalization.group(n, _GROUPS, rngs=rngs) for n in convolutions])
        left = math.prod(_left(shape, convolutions))
        self.mlp = MLP((left, *dense, outputs), rngs=rngs)

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b n"]:
        for layer, norm in zip(self.convolutions, self.norms, strict=True):
            x = normalization.silu(norm, layer(x))
        return self.mlp(x.reshape(len(x), -1))


class Decoder(nnx.Module):
    """Map `inputs` numbers by an MLP, then double once for each of `convolutions`, the finest first."""

    def __init__(
        self,
        inputs: int,
        shape: Sequence[int],
        convolutions: Sequence[int],
        dense: Sequence[int],
        *,
        up: Up = "transposed",
        rngs: nnx.Rngs,
    ) -> None:
        self.shape, self.small = tuple(shape), _left(shape, convolutions)
        self.mlp = MLP((inputs, *dense, math.prod(self.small)), rngs=rngs)
        coarse = convolutions[::-1]
        pairs = zip(coarse, (*coarse[1:], shape[-1]), strict=False)
        self.norms = nnx.List([normalization.group(n, _GROUPS, rngs=rngs) for n in coarse])
        self.convolutions = nnx.List([_DOUBLING[up](n, m, rngs) for n, m in pairs])

    def __call__(self, z: Float[Array, "b d"]) -> Float[Array, "b h w c"]:
        x = self.mlp(z).reshape(-1, *self.small)
        for layer, norm in zip(self.convolutions, self.norms, strict=True):
            x = layer(normalization.silu(norm, x))
        height, width, _ = self.shape
        return x[:, :height, :width]


def pooled(x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
    """Give the largest of each 2 x 2 values; of fewer at the end of an odd side."""
    pad = ((0, 0), *((0, side % 2) for side in x.shape[1:3]), (0, 0))
    x = jnp.pad(x, pad, mode="edge")
    largest = jnp.maximum(x[:, ::2], x[:, 1::2])
    return jnp.maximum(largest[:, :, ::2], largest[:, :, 1::2])


_Layer = Callable[[int, int, nnx.Rngs], nnx.Module]
_HALVING: dict[Down, _Layer] = {
    "strided": lambda n, m, rngs: convolution.conv(n, m, _KERNEL, _STRIDE, rngs=rngs),
    "pooled": lambda n, m, rngs: nnx.Sequential(convolution.conv(n, m, _SMALL, rngs=rngs), pooled),
}
_DOUBLING: dict[Up, _Layer] = {
    "transposed": lambda n, m, rngs: ConvTranspose(n, m, _KERNEL, _STRIDE, rngs=rngs),
    "nearest": lambda n, m, rngs: nnx.Sequential(
        resampling.nearest, convolution.conv(n, m, _SMALL, rngs=rngs)
    ),
}


def _left(shape: Sequence[int], convolutions: Sequence[int]) -> tuple[int, int, int]:
    """Give what is left of an image: sides are rounded up at each halving."""
    height, width, channels = shape
    height, width = (-(-side // 2 ** len(convolutions)) for side in (height, width))
    return height, width, convolutions[-1] if convolutions else channels
