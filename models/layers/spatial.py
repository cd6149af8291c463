"""Encode images of any size as grids of latents, and decode them (Rombach et al., CVPR 2022, G.1)."""

import itertools
from collections.abc import Sequence

from flax import nnx
from jaxtyping import Array, Float

from models.layers import convolution, normalization, resampling

_GROUPS = 8
_SMALL = 3, 3


class Encoder(nnx.Module):
    """Map images to `outputs` numbers a place, halving sides between `widths`, the finest first."""

    def __init__(self, channels: int, widths: Sequence[int], outputs: int, *, rngs: nnx.Rngs) -> None:
        pairs = list(itertools.pairwise(widths))
        self.first = convolution.conv(channels, widths[0], _SMALL, rngs=rngs)
        self.blocks = nnx.List([Residual(n, rngs=rngs) for n, _ in pairs])
        self.halve = nnx.List([convolution.conv(n, m, _SMALL, (2, 2), rngs=rngs) for n, m in pairs])
        self.middle = Residual(widths[-1], rngs=rngs)
        self.last = Activated(widths[-1], outputs, rngs=rngs)

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b gh gw d"]:
        x = self.first(x)
        for block, halve in zip(self.blocks, self.halve, strict=True):
            x = halve(block(x))
        return self.last(self.middle(x))


class Decoder(nnx.Module):
    """Map grids to images, doubling sides between `widths`, the finest first."""

    def __init__(self, inputs: int, widths: Sequence[int], channels: int, *, rngs: nnx.Rngs) -> None:
        pairs = list(itertools.pairwise(widths[::-1]))
        self.first = convolution.conv(inputs, widths[-1], _SMALL, rngs=rngs)
        self.middle = Residual(widths[-1], rngs=rngs)
        self.after = nnx.List([convolution.conv(n, m, _SMALL, rngs=rngs) for n, m in pairs])
        self.blocks = nnx.List([Residual(m, rngs=rngs) for _, m in pairs])
        self.last = Activated(widths[0], channels, rngs=rngs)

    def __call__(self, z: Float[Array, "b gh gw d"]) -> Float[Array, "b h w c"]:
        x = self.middle(self.first(z))
        for convolve, block in zip(self.after, self.blocks, strict=True):
            x = block(convolve(resampling.nearest(x)))
        return self.last(x)


class Residual(nnx.Module):
    """Add what two normed convolutions say (He et al., ECCV 2016, 3)."""

    def __init__(self, channels: int, *, rngs: nnx.Rngs) -> None:
        self.first = Activated(channels, channels, rngs=rngs)
        self.second = Activated(channels, channels, rngs=rngs)

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        return x + self.second(self.first(x))


class Activated(nnx.Module):
    """Norm over groups of channels, activate, and convolve."""

    def __init__(self, inputs: int, outputs: int, *, rngs: nnx.Rngs) -> None:
        self.norm = normalization.group(inputs, _GROUPS, rngs=rngs)
        self.convolve = convolution.conv(inputs, outputs, _SMALL, rngs=rngs)

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w o"]:
        return self.convolve(normalization.silu(self.norm, x))
