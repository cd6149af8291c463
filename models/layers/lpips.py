"""Measure how unlike images look by a network's features (LPIPS v0.1; Zhang et al., CVPR 2018)."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from dfm import cache
from models.layers import convolution

Network = Literal["alexnet", "vgg16"]

_SHIFT = -0.030, -0.088, -0.188
_SCALE = 0.458, 0.448, 0.450
_TINY = 1e-10  # keeps the gradient finite where all features are 0
_SMALLEST = 7  # side of which AlexNet's first convolution leaves a pixel


class _Architecture(NamedTuple):
    """Count convolutions of each stage; tell what is pooled before which, and how the first is laid."""

    name: str
    convolutions: tuple[int, ...]
    pooled: tuple[bool, ...]
    window: int
    stride: tuple[int, int]
    padding: tuple[tuple[int, int], ...]  # none for one that keeps the size


_ARCHITECTURES: dict[Network, _Architecture] = {
    "alexnet": _Architecture(
        "AlexNet_0", (1, 1, 1, 1, 1), (False, True, True, False, False), 3, (4, 4), ((2, 2),) * 2
    ),
    "vgg16": _Architecture("VGG16_0", (2, 2, 3, 3, 3), (False, True, True, True, True), 2, (1, 1), ()),
}


class Frozen(nnx.Variable[Array]):
    """Hold an array that no gradient trains."""


class LPIPS(nnx.Module):
    """Own a trained network and the weights of its channels, as `load` gives them."""

    def __init__(self, network: Network, arrays: Mapping[str, np.ndarray]) -> None:
        self.architecture = _ARCHITECTURES[network]
        name, count = self.architecture.name, sum(self.architecture.convolutions)

        def frozen(keys: list[str]) -> nnx.List[Frozen]:
            return nnx.List([Frozen(jnp.asarray(arrays[key])) for key in keys])

        self.kernels = frozen([f"{name}.Conv_{i}.kernel" for i in range(count)])
        self.biases = frozen([f"{name}.Conv_{i}.bias" for i in range(count)])
        stages = len(self.architecture.convolutions)
        self.heads = frozen([f"NetLinLayer_{i}.Conv_0.kernel" for i in range(stages)])

    def __call__(self, a: Float[Array, "b h w c"], b: Float[Array, "b h w c"]) -> Float[Array, " b"]:
        """Give the distance of images in [0, 1], gray or RGB (equation 1)."""
        distances = [
            jnp.mean((_unit(f) - _unit(g)) ** 2 @ head[0, 0], axis=(1, 2, 3))
            for f, g, head in zip(self.features(a), self.features(b), self.heads, strict=True)
        ]
        return sum(distances, jnp.zeros(len(a)))

    def features(self, images: Float[Array, "b h w c"]) -> list[Float[Array, "b p q o"]]:
        """Give the activations at the end of each stage.

        Raises:
            ValueError: the images are too small.
        """
        if min(images.shape[1:3]) < _SMALLEST:
            raise ValueError(
                f"LPIPS of images of {images.shape[1]}x{images.shape[2]}; give at least {_SMALLEST} a side"
            )
        _, convolutions, pooled, window, stride, padding = self.architecture
        x = (2 * images - 1 - jnp.array(_SHIFT)) / jnp.array(_SCALE)
        layers, stages = zip(self.kernels, self.biases, strict=True), []
        for count, is_pooled in zip(convolutions, pooled, strict=True):
            x = _pooled(x, window) if is_pooled else x
            for _ in range(count):
                kernel, bias = next(layers)
                pads = padding or "SAME"
                x = jax.nn.relu(convolution.general_dilated(x, kernel[...], stride, pads) + bias[...])
                stride, padding = (1, 1), ()
            stages.append(x)
        return stages


def load(network: Network) -> dict[str, np.ndarray]:
    """Read the published weights from `weights` in $DFM_DATA, else in ~/.cache/dfm.

    Raises:
        FileNotFoundError: they are absent.
    """
    path = cache.root() / "weights" / f"lpips_{network}.npz"
    if not path.exists():
        raise FileNotFoundError(
            f"{path}, the weights of LPIPS, is absent; save it there, or set perceptual = 0"
        )
    return dict(np.load(path))


def _pooled(x: Float[Array, "b h w c"], window: int) -> Float[Array, "b p q c"]:
    """Give the largest of each window, two pixels apart; of what there is where an image is smaller."""
    pads = ((0, 0), *((0, max(0, window - side)) for side in x.shape[1:3]), (0, 0))
    sides, strides = (1, window, window, 1), (1, 2, 2, 1)
    largest: Array = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, sides, strides, pads)
    return largest


def _unit(x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    return x * jax.lax.rsqrt(jnp.sum(x**2, axis=-1, keepdims=True) + _TINY)
