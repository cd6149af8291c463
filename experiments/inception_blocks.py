"""Define the blocks of Inception-v3 (Szegedy et al. 2016, https://arxiv.org/abs/1512.00567) as FID has them.

Names are those of pytorch-fid. In TensorFlow's graph of 2015-12-05, which FID is defined on, average pools
leave the padding out, and the last block pools by maximum.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


class Layer(NamedTuple):
    """Hold a convolution with its batch norm folded in."""

    kernel: Float[Array, "h w i o"]
    bias: Float[Array, " o"]


Layers = dict[str, Layer]
_Map = Float[Array, "n h w c"]
_AROUND = ((0, 0), (1, 1), (1, 1), (0, 0))  # one place, as 3 x 3 reach


def network(layers: Layers, x: Float[Array, "n 299 299 3"]) -> Float[Array, "n 8 8 features"]:
    """Apply all blocks to pixels in [-1, 1]; averages over places of what comes out are the features."""
    x = _halve(x, layers["Conv2d_1a_3x3"])
    x = _shrink(x, layers["Conv2d_2a_3x3"])
    x = maximum(_conv(x, layers["Conv2d_2b_3x3"]), 2)
    x = _conv(x, layers["Conv2d_3b_1x1"])
    x = maximum(_shrink(x, layers["Conv2d_4a_3x3"]), 2)
    for name in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
        x = _a(x, _of(layers, name))
    x = _b(x, _of(layers, "Mixed_6a"))
    for name in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
        x = _c(x, _of(layers, name))
    x = _d(x, _of(layers, "Mixed_7a"))
    x = _e(x, _of(layers, "Mixed_7b"), average)
    return _e(x, _of(layers, "Mixed_7c"), same_maximum)


def average(x: _Map) -> _Map:
    """Average over 3 x 3 places; over those there are, at borders."""
    ones = jnp.pad(jnp.ones((1, *x.shape[1:3], 1), x.dtype), _AROUND)
    return _window(jnp.pad(x, _AROUND), 1, jnp.add) / _window(ones, 1, jnp.add)


def maximum(x: _Map, stride: int) -> _Map:
    """Take the maximum of 3 x 3 places, all of them within `x`."""
    return _window(x, stride, jnp.maximum)


def same_maximum(x: _Map) -> _Map:
    """Take the maximum of 3 x 3 places; of those there are, at borders."""
    return maximum(jnp.pad(x, _AROUND, constant_values=-jnp.inf), 1)


def _window(x: _Map, stride: int, combine: Callable[[Array, Array], Array]) -> _Map:
    """Combine 3 x 3 places, rows first: on CPUs this takes less time than lax.reduce_window."""
    for axis in (1, 2):
        last = x.shape[axis] - 2
        first, second, third = (lax.slice_in_dim(x, i, last + i, stride, axis) for i in range(3))
        x = combine(combine(first, second), third)
    return x


def _conv(x: _Map, layer: Layer) -> _Map:
    return _apply(x, layer, 1, "SAME")


def _halve(x: _Map, layer: Layer) -> _Map:
    return _apply(x, layer, 2, "VALID")


def _shrink(x: _Map, layer: Layer) -> _Map:
    """Convolve 3 x 3 without padding; on CPUs, XLA is slower at that than at padding and cropping."""
    return _conv(x, layer)[:, 1:-1, 1:-1]


def _apply(x: _Map, layer: Layer, stride: int, padding: str) -> _Map:
    y = lax.conv_general_dilated(
        x,
        layer.kernel,
        (stride, stride),
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=lax.Precision.HIGHEST,  # else GPUs round to TF32
    )
    return jax.nn.relu(y + layer.bias)


def _of(layers: Layers, block: str) -> Layers:
    """Give the layers of a block, named by branch."""
    prefix = f"{block}.branch"
    return {name.removeprefix(prefix): layer for name, layer in layers.items() if name.startswith(prefix)}


def _chain(x: _Map, block: Layers, *names: str) -> _Map:
    for name in names:
        x = _conv(x, block[name])
    return x


def _join(*branches: _Map) -> _Map:
    return jnp.concatenate(branches, -1)


def _a(x: _Map, block: Layers) -> _Map:
    return _join(
        _chain(x, block, "1x1"),
        _chain(x, block, "5x5_1", "5x5_2"),
        _chain(x, block, "3x3dbl_1", "3x3dbl_2", "3x3dbl_3"),
        _chain(average(x), block, "_pool"),
    )


def _b(x: _Map, block: Layers) -> _Map:
    double = _chain(x, block, "3x3dbl_1", "3x3dbl_2")
    return _join(_halve(x, block["3x3"]), _halve(double, block["3x3dbl_3"]), maximum(x, 2))


def _c(x: _Map, block: Layers) -> _Map:
    return _join(
        _chain(x, block, "1x1"),
        _chain(x, block, "7x7_1", "7x7_2", "7x7_3"),
        _chain(x, block, "7x7dbl_1", "7x7dbl_2", "7x7dbl_3", "7x7dbl_4", "7x7dbl_5"),
        _chain(average(x), block, "_pool"),
    )


def _d(x: _Map, block: Layers) -> _Map:
    single = _chain(x, block, "3x3_1")
    seven = _chain(x, block, "7x7x3_1", "7x7x3_2", "7x7x3_3")
    return _join(_halve(single, block["3x3_2"]), _halve(seven, block["7x7x3_4"]), maximum(x, 2))


def _e(x: _Map, block: Layers, pool: Callable[[_Map], _Map]) -> _Map:
    single = _chain(x, block, "3x3_1")
    double = _chain(x, block, "3x3dbl_1", "3x3dbl_2")
    return _join(
        _chain(x, block, "1x1"),
        _chain(single, block, "3x3_2a"),
        _chain(single, block, "3x3_2b"),
        _chain(double, block, "3x3dbl_3a"),
        _chain(double, block, "3x3dbl_3b"),
        _chain(pool(x), block, "_pool"),
    )
