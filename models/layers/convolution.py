"""Convolve as `jax.lax` does, with gradients that are fast on a CPU too, in loops and out of them.

There XLA takes up to 600 times as long for the gradient in weights inside of a loop as it should
(https://github.com/jax-ml/jax/issues/12868), and long for strided ones anywhere. The form

    F(x, k, y) = sum over positions p of  y_p . (k . patch_p(x))

is linear in each of images x, kernel k and outputs y. Its derivatives in y, x and k are `_convolve`,
`_transpose` and `_correlate`, here products of matrices or plain convolutions, and each other's gradients to
any order. As these are custom, CPUs have no forward mode (`jax.jvp`): nest `jax.grad`. Other platforms get
`jax.lax` itself.
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, Float

_LAYOUT = "NHWC", "HWIO", "NHWC"
_DEFAULTS = None, 1, (1, 1), lax.conv_dimension_numbers((1,) * 4, (1,) * 4, _LAYOUT)

Pads = Sequence[tuple[int, int]]
Images = Float[Array, "b h w c"]
Kernel = Float[Array, "m n c o"]
Outputs = Float[Array, "b p q o"]


class ConvTranspose(nnx.Module):
    """Be `nnx.ConvTranspose`, by `transpose`."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel_size: tuple[int, int],
        strides: tuple[int, int],
        *,
        padding: str | Pads = "SAME",
        rngs: nnx.Rngs,
    ) -> None:
        self.strides, self.padding = strides, padding
        layer = nnx.ConvTranspose(inputs, outputs, kernel_size, rngs=rngs)
        assert layer.bias is not None
        self.kernel, self.bias = layer.kernel, layer.bias

    def __call__(self, x: Images) -> Outputs:
        return transpose(x, self.kernel[...], self.strides, self.padding) + self.bias[...]


def general_dilated(
    x: Images, k: Kernel, strides: Sequence[int], padding: str | Pads, **options: Any
) -> Outputs:
    """Give what `lax.conv_general_dilated` does; `nnx.Conv` takes it in place of that."""
    if not _by_products(x) or any(option not in _DEFAULTS for option in options.values()):
        return lax.conv_general_dilated(x, k, strides, padding, **options)
    sides, size = k.shape[:2], x.shape[1:3]
    pads = lax.padtype_to_pads(size, sides, strides, padding) if isinstance(padding, str) else padding
    return _convolve(x, k, _Window(sides, size, tuple(strides), tuple((low, high) for low, high in pads)))


def transpose(x: Outputs, k: Kernel, strides: Sequence[int], padding: str | Pads) -> Images:
    """Give what `lax.conv_transpose` does, of which explicit padding is that of the dilated input."""
    if not _by_products(x):
        return lax.conv_transpose(x, k, strides, padding, dimension_numbers=_LAYOUT)
    sides, size = k.shape[:2], x.shape[1:3]
    if isinstance(padding, str):
        padding = [_dilated_padding(*axis, padding) for axis in zip(sides, strides, strict=True)]
    pads = tuple((m - 1 - low, m - 1 - high) for m, (low, high) in zip(sides, padding, strict=True))
    size = tuple(
        (n - 1) * stride + m - sum(pad) for n, m, stride, pad in zip(size, sides, strides, pads, strict=True)
    )
    return _transpose(x, k[::-1, ::-1].swapaxes(2, 3), _Window(sides, size, tuple(strides), pads))


def _by_products(x: Array) -> bool:
    return x.ndim == 4 and jax.default_backend() == "cpu"


def _dilated_padding(side: int, stride: int, padding: str) -> tuple[int, int]:
    """Give the padding of a dilated input that `lax.conv_transpose` takes for "SAME" or "VALID"."""
    total = side + stride - 2 + (max(side - stride, 0) if padding == "VALID" else 0)
    low = side - 1 if padding == "VALID" or stride > side - 1 else -(-total // 2)
    return low, total - low


conv = functools.partial(nnx.Conv, conv_general_dilated=general_dilated)


class _Window(NamedTuple):
    """Say where patches lie: sides of kernel and images, strides, and padding, along both axes."""

    kernel: tuple[int, ...]
    size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]

    @property
    def blocks(self) -> list[int]:
        """Tell how many strides a kernel spans."""
        return [-(-side // stride) for side, stride in zip(self.kernel, self.strides, strict=True)]

    @property
    def outputs(self) -> list[int]:
        return [(n + sum(pad) - side) // stride + 1 for side, n, stride, pad in zip(*self, strict=True)]


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _convolve(x: Images, k: Kernel, window: _Window) -> Outputs:
    return _product(x, k, window)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _transpose(y: Outputs, k: Kernel, window: _Window) -> Images:
    if window.strides == (1, 1):
        # XLA is fast at plain convolutions alone: keep it from undoing what makes this one of them.
        mirrored = lax.optimization_barrier(k[::-1, ::-1].swapaxes(2, 3))
        sides = zip(window.kernel, window.padding, strict=True)
        pads = [(side - 1 - low, side - 1 - high) for side, (low, high) in sides]
        return lax.conv_general_dilated(y, mirrored, (1, 1), pads, dimension_numbers=_LAYOUT)
    x = jax.ShapeDtypeStruct((len(y), *window.size, k.shape[2]), y.dtype)
    images: Images = jax.linear_transpose(lambda x: _product(x, k, window), x)(y)[0]
    return images


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _correlate(x: Images, y: Outputs, window: _Window) -> Kernel:
    if window.strides == (1, 1):
        # As in `_transpose`.
        as_images, as_kernel = lax.optimization_barrier((x.transpose(3, 1, 2, 0), y.transpose(1, 2, 0, 3)))
        found = lax.conv_general_dilated(
            as_images, as_kernel, (1, 1), window.padding, dimension_numbers=_LAYOUT
        )
        return found.transpose(1, 2, 0, 3)
    patches, y = _patches(x, window), y.reshape(-1, y.shape[-1])
    # XLA copies the first factor to transpose it: let that be the smaller, against its simplifications.
    if y.shape[1] < patches.shape[1]:
        matrix = lax.optimization_barrier(_over_first_axes(y, patches)).T
    else:
        matrix = _over_first_axes(patches, y)
    sides = [count * stride for count, stride in zip(window.blocks, window.strides, strict=True)]
    kernel: Kernel = matrix.reshape(*sides, x.shape[-1], -1)[: window.kernel[0], : window.kernel[1]]
    return kernel


_convolve.defvjp(
    lambda x, k, window: (_convolve(x, k, window), (x, k)),
    lambda window, xk, y: (_transpose(y, xk[1], window), _correlate(xk[0], y, window)),
)
_transpose.defvjp(
    lambda y, k, window: (_transpose(y, k, window), (y, k)),
    lambda window, yk, x: (_convolve(x, yk[1], window), _correlate(x, yk[0], window)),
)
_correlate.defvjp(
    lambda x, y, window: (_correlate(x, y, window), (x, y)),
    lambda window, xy, k: (_transpose(xy[1], k, window), _convolve(xy[0], k, window)),
)


def _over_first_axes(a: Float[Array, "n i"], b: Float[Array, "n j"]) -> Float[Array, "i j"]:
    return lax.dot_general(a, b, (((0,), (0,)), ((), ())))


def _product(x: Images, k: Kernel, window: _Window) -> Outputs:
    if window.strides == (1, 1):
        return lax.conv_general_dilated(x, k, (1, 1), window.padding, dimension_numbers=_LAYOUT)
    ends = [
        (0, count * stride - side)
        for side, count, stride in zip(window.kernel, window.blocks, window.strides, strict=True)
    ]
    matrix = jnp.pad(k, (*ends, (0, 0), (0, 0))).reshape(-1, k.shape[-1])
    return (_patches(x, window) @ matrix).reshape(len(x), *window.outputs, -1)


def _patches(x: Images, window: _Window) -> Float[Array, "p k"]:
    """Cut images into the blocks that strides make, and put those of each patch into a row."""
    (s, t), (m, n), (p, q) = window.strides, window.blocks, window.outputs
    (top, _), (left, _) = window.padding
    bottom, right = ((p - 1 + m) * s - window.size[0] - top, (q - 1 + n) * t - window.size[1] - left)
    x = lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), (top, bottom, 0), (left, right, 0), (0, 0, 0)))
    b, c = len(x), x.shape[-1]
    x = x.reshape(b, p - 1 + m, s, q - 1 + n, t * c)
    cut = jnp.stack([x[:, i : i + p, :, j : j + q] for i in range(m) for j in range(n)])
    return cut.reshape(m, n, b, p, s, q, t * c).transpose(2, 3, 5, 0, 4, 1, 6).reshape(b * p * q, -1)
