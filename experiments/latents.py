"""Pass between images and latents of a trained model."""

from typing import Any

import numpy as np
from jaxtyping import Float, Shaped, UInt8

from experiments import batches

_SCALED = 10  # images of a batch at other sizes


def encode(model: Any, images: UInt8[np.ndarray, "n h w c"]) -> Shaped[np.ndarray, "n ..."]:
    """Give the latents of images."""
    return batches.apply(model, lambda model, x: model.encode(x / 255), images)


def reconstruct(model: Any, images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n h w c"]:
    """Encode images and decode them again, in [0, 1]."""
    return decode(model, encode(model, images))


def decode(model: Any, latents: Shaped[np.ndarray, "n ..."], scale: int = 1) -> Float[np.ndarray, "n h w c"]:
    """Give the images of latents, in [0, 1], at `scale` times their size where the model can."""
    if scale == 1:
        return batches.apply(model, lambda model, z: model.decode(z), latents)
    return batches.apply(model, lambda model, z: model.decode(z, scale), latents, batch=_SCALED)
