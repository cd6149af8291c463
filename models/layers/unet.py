"""U-Net: contract images, expand them again, and pass fine levels across (Ronneberger et al., MICCAI 2015).

Without padding a tile shows its middle alone; then images are framed by mirroring (section 2, figure 2).
"""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from models.layers import convolution, normalization, resampling
from models.layers.convolution import ConvTranspose

_GROUPS = 4

Padding = Literal["valid", "same"]
Up = Literal["transposed", "nearest", "unpooling", "nails"]
Norm = Literal["none", "group"]


class UNet(nnx.Module):
    """Map images to `outputs` numbers a pixel.

    Args:
        widths: of the levels, the finest first; each but the last is halved into the next.
        padding: of the convolutions; without it ("valid") the skips are cropped, as published.
        up: what doubles, from transposed convolutions to zeros around each value.
        norm: between the two convolutions of a block; "none", as published, keeps the range of values, which
            restoration needs (Lim et al., Enhanced deep residual networks, CVPRW 2017, 3.1).
        condition: dimensions of a vector that tells each block of the time, or the class; 0 for none.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        widths: Sequence[int],
        padding: Padding,
        up: Up,
        norm: Norm,
        condition: int = 0,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.padding, self.levels = padding, len(widths) - 1
        block = functools.partial(_Block, padding=padding, norm=norm, condition=condition, rngs=rngs)
        pairs = list(itertools.pairwise(widths))
        self.down = nnx.List([block(n, m) for n, m in [(inputs, widths[0]), *pairs]])
        self.up = nnx.List([_Double(m, n, up, rngs=rngs) for n, m in pairs])
        self.merge = nnx.List([block(2 * n, n) for n in widths[:-1]])
        self.last = nnx.Linear(widths[0], outputs, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b h w c"], condition: Float[Array, "b d"] | None = None
    ) -> Float[Array, "b h w o"]:
        """Map every pixel of images of any size, framed by their mirror images."""
        height, width = x.shape[1:3]
        frame = [_FRAMES[self.padding](side, self.levels) for side in (height, width)]
        y = self.middle(jnp.pad(x, ((0, 0), *frame, (0, 0)), "symmetric"), condition)
        return y[:, :height, :width]

    def middle(
        self, x: Float[Array, "b h w c"], condition: Float[Array, "b d"] | None = None
    ) -> Float[Array, "b p q o"]:
        """Map as much of the middle of a tile as the convolutions see the surroundings of.

        Raises:
            ValueError: an odd side is to be halved.
        """
        skips = []
        for block in self.down[:-1]:
            x = block(x, condition)
            _check(x.shape[1:3])
            pooled, places = resampling.max_pool(x)
            skips.append((x, places))
            x = pooled
        x = self.down[-1](x, condition)
        levels = zip(self.up, self.merge, skips, strict=True)
        for double, merge, (skip, places) in reversed(list(levels)):
            x = double(x, _cropped(places, x))
            x = merge(jnp.concatenate([_cropped(skip, x), x], axis=-1), condition)
        return self.last(x)


class _Block(nnx.Module):
    """Convolve twice by 3x3, and add what a condition says in between (Ho et al., NeurIPS 2020, B)."""

    def __init__(
        self, inputs: int, outputs: int, padding: Padding, norm: Norm, condition: int, *, rngs: nnx.Rngs
    ) -> None:
        conv = functools.partial(convolution.conv, kernel_size=(3, 3), padding=padding.upper(), rngs=rngs)
        self.first = conv(inputs, outputs)
        self.norm = _NORM[norm](outputs, rngs=rngs)
        self.condition = nnx.Linear(condition, outputs, rngs=rngs) if condition else None
        self.second = conv(outputs, outputs)

    def __call__(
        self, x: Float[Array, "b h w c"], condition: Float[Array, "b d"] | None
    ) -> Float[Array, "b p q o"]:
        x = self.norm(self.first(x))
        if self.condition is not None:
            assert condition is not None
            x = x + self.condition(condition)[:, None, None]
        return jax.nn.silu(self.second(jax.nn.silu(x)))


class _Double(nnx.Module):
    """Change the number of channels, and double both sides."""

    def __init__(self, inputs: int, outputs: int, up: Up, *, rngs: nnx.Rngs) -> None:
        layer, self.double = _UP[up]
        self.layer = layer(inputs, outputs, rngs=rngs)

    def __call__(self, x: Float[Array, "b h w c"], places: resampling.Places) -> Float[Array, "b h2 w2 o"]:
        doubled: Array = self.double(self.layer(x), places)
        return doubled


_NORM: dict[Norm, Callable[..., Callable[[Array], Array]]] = {
    "none": lambda channels, rngs: lambda x: x,
    "group": functools.partial(normalization.group, groups=_GROUPS),
}
_UP: dict[Up, tuple[Callable[..., Any], Callable[..., Array]]] = {
    "transposed": (functools.partial(ConvTranspose, kernel_size=(2, 2), strides=(2, 2)), lambda x, _: x),
    "nearest": (nnx.Linear, lambda x, _: resampling.nearest(x)),
    "unpooling": (nnx.Linear, resampling.unpool),
    "nails": (nnx.Linear, lambda x, _: resampling.bed_of_nails(x)),
}


def _valid_frame(side: int, levels: int) -> tuple[int, int]:
    """Add what the convolutions cut off, 12 * 2^levels - 8, and what makes all sides even."""
    half = 6 * 2**levels - 4
    return half, half + (4 - side) % 2**levels


_FRAMES: dict[Padding, Callable[[int, int], tuple[int, int]]] = {
    "valid": _valid_frame,
    "same": lambda side, levels: (0, -side % 2**levels),
}


def _cropped(x: Array, like: Array) -> Array:
    """Give the middle of images, of the size of others."""
    top, left = ((a - b) // 2 for a, b in zip(x.shape[1:3], like.shape[1:3], strict=True))
    return x[:, top : top + like.shape[1], left : left + like.shape[2]]


def _check(sides: Sequence[int]) -> None:
    if any(side % 2 or side < 2 for side in sides):
        raise ValueError(
            f"{sides[0]}x{sides[1]} is to be halved; choose an image for which every level has even sides"
        )
