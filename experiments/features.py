"""Keep features of Inception, so that no set of images passes through it twice, and say how they are made."""

import hashlib
import io
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from dfm import api, cache, image
from experiments import inception

_LEAST = 32  # pixels a side; smaller images are padded, as digits are by Ghosh et al. 2020 (arXiv 1903.12436)


def of(
    weights: inception.Weights, images: UInt8[np.ndarray, "n h w c"], notify: api.Progress | None = None
) -> Float32[np.ndarray, "n features"]:
    """Give the features of images, padded to 32 x 32 where they are smaller, from the disk if they are there.

    Raises:
        OSError: they cannot be kept, in features/ under `cache.root()`.
        ValueError: the images are neither gray nor RGB.
    """
    padded = np.ascontiguousarray(pad(images))
    made = hashlib.sha256(f"{weights.sha256}, {inception.RESIZE}, {padded.shape}".encode())
    made.update(padded.data)
    path = cache.root() / "features" / f"{made.hexdigest()}.npy"
    if path.exists():
        return np.asarray(np.load(path))
    found = inception.features(weights, padded, notify)
    path.parent.mkdir(parents=True, exist_ok=True)
    file = io.BytesIO()
    np.save(file, found)
    image.write_bytes(path, file.getvalue())
    return found


def pad(images: UInt8[np.ndarray, "n h w c"]) -> UInt8[np.ndarray, "n _ _ c"]:
    """Put zeros around images with a side under 32 pixels, up to 32; the odd one goes after."""
    missing = [max(0, _LEAST - side) for side in images.shape[1:3]]
    return np.pad(images, ((0, 0), *((n // 2, n - n // 2) for n in missing), (0, 0)))


def protocol(
    weights: inception.Weights,
    made: UInt8[np.ndarray, "n h w c"],
    real: UInt8[np.ndarray, "m h w c"],
    split: str,
) -> dict[str, Any]:
    """Say what figures depend on, beside the images: to be printed and stored with each.

    Args:
        split: which part of its set `real` is, such as "test".

    Raises:
        ValueError: the images differ in size or channels.
    """
    if made.shape[1:] != real.shape[1:]:
        raise ValueError(f"images are {made.shape[1:]}, and those they are compared with {real.shape[1:]}")
    height, width = made.shape[1:3]
    small = min(height, width) < _LEAST
    padding = f"zeros around {width} x {height}, to {max(width, _LEAST)} x {max(height, _LEAST)}"
    return {
        "weights": weights.sha256[:16],
        "resize": inception.RESIZE,
        "padding": padding if small else "none",
        "samples": len(made),
        "references": len(real),
        "split": split,
    }
