"""Pass between images, latents of a trained model, and priors over these."""

from types import ModuleType
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, UInt8

from dfm import registry, train
from experiments import run
from experiments.run import Run
from models import priors

_SCALED = 10  # images of a batch at other sizes


def encode(model: Any, images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n ..."]:
    """Give the latents of images."""
    return run.apply(model, lambda model, x: model.encode(x / 255), images)


def decode(model: Any, latents: Float[np.ndarray, "n ..."], scale: int = 1) -> Float[np.ndarray, "n h w c"]:
    """Give the images of latents, in [0, 1], at `scale` times their size where the model can."""
    if scale == 1:
        return run.apply(model, lambda model, z: model.decode(z), latents)
    return run.apply(model, lambda model, z: model.decode(z, scale), latents, batch=_SCALED)


def of_training(training: Run, model: Any) -> Float[np.ndarray, "n ..."]:
    """Give the latents of the training images: those trained along with the model, or what it encodes.

    Raises:
        ValueError: the model has no latents.
    """
    if hasattr(model, "latents"):
        return np.asarray(model.latents[...])
    if not hasattr(model, "encode"):
        raise ValueError(f"{training.config.model} has no latents to fit a prior on")
    return encode(model, training.data.train.images)


def draw(
    training: Run, model: Any, prior: str, n: int, *, seed: int = 0, notify: train.Notify | None = None
) -> Float[np.ndarray, "n h w c"]:
    """Draw images in [0, 1] from a prior fitted on the model's latents, or, with "none", from the model.

    Raises:
        ValueError: there is no such prior, or the model has no latents.
    """
    if prior == "none":
        return run.draw(training, model, n, seed)
    module: ModuleType = registry.get(priors, prior)
    latents = of_training(training, model)
    flat = latents.reshape(len(latents), -1)
    fitted = module.fit(module.Config(), flat, seed=seed, notify=notify)
    drawn = np.asarray(module.sample(fitted, jax.random.key(seed), n))
    return decode(model, drawn.reshape(n, *latents.shape[1:]))
