"""Compute the features of FID: those of Inception-v3 with the weights of TensorFlow of 2015-12-05."""

import hashlib
import importlib
import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, UInt8

from dfm import api, cache
from experiments import inception_blocks as blocks

RESIZE = "bilinear, half-pixel centers, no antialiasing, to 299"
FILES = ("fid_inception_v3.npz", "pt_inception-2015-12-05-6726825d.pth")

_SIDE = 299
_EPSILON = 0.001  # of batch norm
_BATCH = {"cpu": 4}  # images a step; more no longer fit the caches of a CPU
_STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")
_BLOCKS = {"A": "5b 5c 5d", "B": "6a", "C": "6b 6c 6d 6e", "D": "7a", "E": "7b 7c"}
_BRANCHES = {  # of each kind of block: the names of pytorch-fid, and those of TensorFlow
    "A": "1x1=conv 5x5_1=tower.conv 5x5_2=tower.conv_1 3x3dbl_1=tower_1.conv 3x3dbl_2=tower_1.conv_1 "
    "3x3dbl_3=tower_1.conv_2 _pool=tower_2.conv",
    "B": "3x3=conv 3x3dbl_1=tower.conv 3x3dbl_2=tower.conv_1 3x3dbl_3=tower.conv_2",
    "C": "1x1=conv 7x7_1=tower.conv 7x7_2=tower.conv_1 7x7_3=tower.conv_2 7x7dbl_1=tower_1.conv "
    "7x7dbl_2=tower_1.conv_1 7x7dbl_3=tower_1.conv_2 7x7dbl_4=tower_1.conv_3 7x7dbl_5=tower_1.conv_4 "
    "_pool=tower_2.conv",
    "D": "3x3_1=tower.conv 3x3_2=tower.conv_1 7x7x3_1=tower_1.conv 7x7x3_2=tower_1.conv_1 "
    "7x7x3_3=tower_1.conv_2 7x7x3_4=tower_1.conv_3",
    "E": "1x1=conv 3x3_1=tower_conv 3x3_2a=tower_mixed_conv 3x3_2b=tower_mixed_conv_1 3x3dbl_1=tower_1_conv "
    "3x3dbl_2=tower_1_conv_1 3x3dbl_3a=tower_1_mixed_conv 3x3dbl_3b=tower_1_mixed_conv_1 _pool=tower_2_conv",
}


class Weights(NamedTuple):
    """Hold the network; `classes`, from features to logits, is only in the file of pytorch-fid."""

    layers: blocks.Layers
    classes: Float32[np.ndarray, "features classes"] | None
    sha256: str  # of the file


def load(path: str | os.PathLike[str] | None = None) -> Weights:
    """Load weights: .npz with names as in TensorFlow or pytorch-fid, or the .pth of pytorch-fid, with torch.

    Raises:
        FileNotFoundError: `path`, or by default each of `FILES` under `cache.root()`, is absent.
        ImportError: the file is PyTorch's, and torch is not installed.
        ValueError: the file is damaged, or holds other arrays.
    """
    folder = cache.root() / "weights"
    there = [folder / file for file in FILES if (folder / file).exists()]
    path = Path(path or (there or [folder / FILES[0]])[0])
    if not path.exists():
        raise FileNotFoundError(
            f"{path}, the weights of Inception for FID, is absent; save it there, or {FILES[1]} of "
            f"https://github.com/mseitzer/pytorch-fid/releases into {folder}"
        )
    data = path.read_bytes()
    try:
        arrays = dict(np.load(io.BytesIO(data))) if path.suffix == ".npz" else _unpickle(path)
        layers = (from_torch if "fc.weight" in arrays else from_tensorflow)(arrays)
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} does not hold the weights of Inception for FID: {error}") from None
    classes = np.ascontiguousarray(arrays["fc.weight"].T) if "fc.weight" in arrays else None
    return Weights(layers, classes, hashlib.sha256(data).hexdigest())


def names() -> dict[str, str]:
    """Map the 94 names of convolutions in pytorch-fid to those in TensorFlow."""
    found = {name: f"conv_{i}" if i else "conv" for i, name in enumerate(_STEM)}
    order = [(block, kind) for kind, listed in _BLOCKS.items() for block in listed.split()]
    for i, (block, kind) in enumerate(order):
        for pair in _BRANCHES[kind].split():
            ours, theirs = pair.split("=")
            found[f"Mixed_{block}.branch{ours}"] = f"mixed_{i}.{theirs}" if i else f"mixed.{theirs}"
    return found


def from_tensorflow(arrays: Mapping[str, np.ndarray]) -> blocks.Layers:
    """Fold arrays named as in TensorFlow, where batch norm has no factor."""
    kinds = ("weight", "beta", "mean", "var")
    return {ours: _fold(*(arrays[f"{theirs}.{kind}"] for kind in kinds)) for ours, theirs in names().items()}


def from_torch(arrays: Mapping[str, np.ndarray]) -> blocks.Layers:
    """Fold arrays named as in the file of pytorch-fid."""
    kinds = ("conv.weight", "bn.bias", "bn.running_mean", "bn.running_var", "bn.weight")
    return {name: _fold(*(arrays[f"{name}.{kind}"] for kind in kinds)) for name in names()}


def features(
    weights: Weights, images: UInt8[np.ndarray, "n h w c"], notify: api.Progress | None = None
) -> Float32[np.ndarray, "n features"]:
    """Compute the 2048 features of each image, gray or RGB: the average of the last block over all places.

    Raises:
        ValueError: the images have another number of channels.
    """
    n, *_, channels = images.shape
    if channels not in (1, 3):
        raise ValueError(f"the images have {channels} channels; give 1 (gray) or 3 (RGB)")
    batch = _BATCH.get(jax.default_backend(), 128)
    found = []
    for start in range(0, n, batch):
        part = images[start : start + batch]
        padded = np.pad(part, ((0, batch - len(part)), (0, 0), (0, 0), (0, 0)))
        found.append(np.asarray(_features(weights.layers, padded))[: len(part)])
        if notify:
            done = start + len(part)
            notify(done / n, f"{done:,} of {n:,} images through Inception")
    return np.concatenate(found)


def probabilities(
    weights: Weights, features: Float32[np.ndarray, "n features"]
) -> Float32[np.ndarray, "n classes"]:
    """Compute probabilities of classes from features, without bias, as the code of the Inception Score does.

    Raises:
        ValueError: the weights have no layer of classes.
    """
    if weights.classes is None:
        raise ValueError(f"these weights have no layer of classes; load {FILES[1]}")
    return np.asarray(jax.nn.softmax(features @ weights.classes))


def resize(images: UInt8[Array, "n h w c"]) -> Float[Array, "n 299 299 3"]:
    """Resize images as `RESIZE` says, with values in [-1, 1], and make gray RGB."""
    n, _, _, channels = images.shape
    x = images.astype(jnp.float32) / 255 * 2 - 1
    x = jax.image.resize(x, (n, _SIDE, _SIDE, channels), "bilinear", antialias=False)
    return jnp.broadcast_to(x, (n, _SIDE, _SIDE, 3))


@jax.jit
def _features(layers: blocks.Layers, images: UInt8[Array, "n h w c"]) -> Float[Array, "n features"]:
    return jnp.mean(blocks.network(layers, resize(images)), (1, 2))


def _fold(
    weight: Float32[np.ndarray, "o i h w"],
    shift: Float32[np.ndarray, " o"],
    mean: Float32[np.ndarray, " o"],
    variance: Float32[np.ndarray, " o"],
    factor: Float32[np.ndarray, " o"] | float = 1.0,
) -> blocks.Layer:
    """Fold batch norm into its convolution."""
    scale = factor / np.sqrt(variance + _EPSILON)
    kernel = weight.transpose(2, 3, 1, 0) * scale
    return blocks.Layer(jnp.asarray(kernel, jnp.float32), jnp.asarray(shift - mean * scale, jnp.float32))


def _unpickle(path: Path) -> dict[str, np.ndarray]:
    """Read a file of PyTorch into arrays."""
    try:
        torch: Any = importlib.import_module("torch")
    except ImportError:
        raise ImportError(
            f"{path} is a file of PyTorch, which is not installed: pip install torch, or use {FILES[0]}"
        ) from None
    state = torch.load(path, map_location="cpu", weights_only=True)
    return {name: value.numpy() for name, value in state.items()}
