"""Turn images into grids of latents, mix neighboring cells, and blend what overlapping windows show."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from models.layers import convolution, hypernetwork
from models.layers.hypernetwork import Hypernetwork


class Encoder(nnx.Module):
    """Halve images once for each of `widths`, then map each cell to `outputs` numbers."""

    def __init__(self, channels: int, widths: Sequence[int], outputs: int, *, rngs: nnx.Rngs) -> None:
        pairs = zip((channels, *widths[:-1]), widths, strict=True)
        self.down = nnx.List([convolution.conv(n, m, (4, 4), (2, 2), rngs=rngs) for n, m in pairs])
        self.block = Block(widths[-1], rngs=rngs)
        self.last = nnx.Linear(widths[-1], outputs, rngs=rngs)

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b gh gw n"]:
        for down in self.down:
            x = jax.nn.silu(down(x))
        return self.last(self.block(x))


class Decoder(nnx.Module):
    """Mix the cells of a grid, give each a Fourier network, and blend what these show on overlapping windows.

    Args:
        inputs: numbers of a cell.
        mixed: what `blocks` residual convolutions make of them.
        hidden, width, depth, channels, gain: of the networks, as `Hypernetwork` takes them.
    """

    def __init__(
        self,
        inputs: int,
        mixed: int,
        blocks: int,
        hidden: tuple[int, ...],
        width: int,
        depth: int,
        channels: int,
        gain: float,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.mixed = mixed
        self.mixer = Mixer(inputs, mixed, blocks, rngs=rngs)
        self.hypernetwork = Hypernetwork(mixed, hidden, width, depth, channels, gain, rngs=rngs)

    def __call__(self, cells: Float[Array, "b gh gw d"], side: int) -> Float[Array, "b h w c"]:
        """Give images of `side` pixels a cell each way, in (0, 1)."""
        coefficients = self.hypernetwork(self.mixer(cells).reshape(-1, self.mixed))
        windows = hypernetwork.evaluate(coefficients, hypernetwork.positions(2 * side, 2 * side))
        color = blend(windows.reshape(*cells.shape[:3], *windows.shape[1:]))
        return hypernetwork.in_unit(color)


class Mixer(nnx.Module):
    """Let each cell of a grid see its neighbors: a dense layer, then `blocks` residual blocks."""

    def __init__(self, inputs: int, width: int, blocks: int, *, rngs: nnx.Rngs) -> None:
        self.first = nnx.Linear(inputs, width, rngs=rngs)
        self.blocks = nnx.List([Block(width, rngs=rngs) for _ in range(blocks)])

    def __call__(self, z: Float[Array, "b gh gw d"]) -> Float[Array, "b gh gw n"]:
        x = self.first(z)
        for block in self.blocks:
            x = block(x)
        return x


class Block(nnx.Module):
    """Add what two 3x3 convolutions make of a grid to it (He et al., Identity Mappings, ECCV 2016)."""

    def __init__(self, width: int, *, rngs: nnx.Rngs) -> None:
        self.first = convolution.conv(width, width, (3, 3), rngs=rngs)
        self.second = convolution.conv(width, width, (3, 3), rngs=rngs)

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        return x + self.second(jax.nn.silu(self.first(jax.nn.silu(x))))


def blend(windows: Float[Array, "b gh gw s2 s2 c"]) -> Float[Array, "b h w c"]:
    """Add up windows of twice the cells' side, each centered on its cell, with weights that fall linearly.

    At every pixel the weights add up to one, at the border too.
    """
    side = windows.shape[3] // 2
    tent = jnp.minimum(jnp.arange(2 * side) + 0.5, 2 * side - 0.5 - jnp.arange(2 * side)) / side
    weights = (tent[:, None] * tent)[..., None]
    shares = jnp.broadcast_to(weights, (1, *windows.shape[1:3], *weights.shape))
    return _added(windows * weights) / _added(shares)


def _added(windows: Float[Array, "b gh gw s2 s2 c"]) -> Float[Array, "b h w c"]:
    """Add windows up where they overlap, and cut off what lies outside of the cells."""
    b, rows, columns, double, _, c = windows.shape
    half = double // 4
    x = _rows_added(windows.transpose(0, 2, 4, 5, 1, 3).reshape(-1, rows, double))
    x = x[:, half:-half].reshape(b, columns, double, c, -1).transpose(0, 3, 4, 1, 2)
    x = _rows_added(x.reshape(-1, columns, double))[:, half:-half]
    return x.reshape(b, c, rows * double // 2, -1).transpose(0, 2, 3, 1)


def _rows_added(windows: Float[Array, "n g s2"]) -> Float[Array, "n l"]:
    first, second = jnp.split(windows, 2, axis=2)
    pad = ((0, 0), (0, 1), (0, 0))
    return (jnp.pad(first, pad) + jnp.pad(second, ((0, 0), (1, 0), (0, 0)))).reshape(len(windows), -1)
