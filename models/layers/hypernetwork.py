"""Turn latents into Fourier networks, one an image, and evaluate these at pixels (thesis, 4.2.2)."""

import functools

import jax
import jax.numpy as jnp
from flax import nnx
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray

from dfm import network
from models.layers.mlp import MLP

_QUIET = 0.1  # share of the latent in the first coefficients


class Hypernetwork(nnx.Module):
    """Map a latent to all coefficients of a Fourier network 2 -> `width` (`depth` times) -> `channels`.

    The coefficients are those of one network, drawn as `dfm.fourier` derives it, plus `gain` times what an
    MLP makes of the latent. Its last layer starts so quiet that every image has a Jacobian of about 1 at
    first, at any width and depth; a large gain then lets coefficients move fast.
    """

    def __init__(
        self,
        latent: int,
        hidden: tuple[int, ...],
        width: int,
        depth: int,
        channels: int,
        gain: float,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        base, self._unravel = ravel_pytree(network.init(rngs.params(), width, depth, channels))
        self.base = nnx.Param(base)
        self.mlp, self.gain = MLP((latent, *hidden, base.size), rngs=rngs), gain
        last = self.mlp.layers[-1].kernel
        last[...] *= _QUIET / gain

    def __call__(self, z: Float[Array, "b d"]) -> network.Network:
        """Give stored coefficients, each with a first axis of `b`."""
        coefficients: network.Network = jax.vmap(self._unravel)(self.base[...] + self.gain * self.mlp(z))
        return coefficients


@functools.partial(jax.vmap, in_axes=(0, None))
def evaluate(coefficients: network.Network, x: Float[Array, "h w 2"]) -> Float[Array, "h w c"]:
    """Evaluate networks at positions in turns: colors in (-1, 1), [b, h, w, c] in all."""
    return network.apply(coefficients, x)


def images(coefficients: network.Network, x: Float[Array, "h w 2"]) -> Float[Array, "b h w c"]:
    """Evaluate networks at positions in turns, as images: in (0, 1)."""
    return in_unit(evaluate(coefficients, x))


def positions(height: int, width: int) -> Float[Array, "h w 2"]:
    """Give the centers of the pixels of an image that spans half a turn each way."""
    y, x = ((jnp.arange(n) + 0.5) / (2 * n) - 0.25 for n in (height, width))
    return jnp.stack(jnp.meshgrid(x, y), axis=-1)


def thin(
    batch: Float[Array, "b h w c"], stride: int, key: PRNGKeyArray
) -> tuple[Float[Array, "h/s w/s 2"], Float[Array, "b h/s w/s c"]]:
    """Choose every `stride`-th pixel of images each way, from a random one on: positions, and colors there.

    Networks are evaluated at that many fewer, and the gradient of a mean over pixels stays right on average.

    Raises:
        ValueError: the stride is not positive, or does not divide height and width.
    """
    _, height, width, _ = batch.shape
    if stride < 1 or height % stride or width % stride:
        raise ValueError(
            f"the stride {stride} does not divide {height} x {width}; choose one that does, or 1"
        )
    y, x = jax.random.randint(key, (2,), 0, stride)

    def chosen(grid: Float[Array, "b h w c"]) -> Float[Array, "b h/s w/s c"]:
        return grid.reshape(-1, height // stride, stride, width // stride, stride, grid.shape[-1])[
            :, :, y, :, x
        ]

    return chosen(positions(height, width)[None])[0], chosen(batch)


def in_unit(color: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Map colors in [-1, 1] to [0, 1]."""
    return (color + 1) / 2
