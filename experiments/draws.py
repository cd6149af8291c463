"""Draw images: from a trained model alone, or from a prior over its latents."""

import inspect
from collections.abc import Iterable
from types import ModuleType
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Int32

from dfm import config as configs
from dfm import registry, train
from experiments import batches, latents
from experiments.run import Run
from models import priors


def of_model(training: Run, model: Any, n: int, seed: int = 0) -> Float[np.ndarray, "n h w c"]:
    """Draw images in [0, 1] from the model alone, of each class in turn where it can be asked for one.

    Raises:
        ValueError: it is no model to sample from.
    """
    sample = getattr(training.module, "sample", None)
    if sample is None:
        raise ValueError(f"{training.config.model} draws no images of itself; choose a prior for its latents")
    keys = np.asarray(jax.random.key_data(jax.random.split(jax.random.key(seed), n)))
    asked = [labels(training, n)] if is_conditional(training) else []

    def one(model: Any, keys: Array, *labels: Array) -> Array:
        def drawn(key: Array, *label: Array) -> Array:
            image: Array = sample(model, jax.random.wrap_key_data(key), 1, *(one[None] for one in label))[0]
            return image

        return jax.vmap(drawn)(keys, *labels)

    drawn = batches.apply(model, one, keys, *asked, batch=100)
    if training.first is None:
        return drawn
    scaled = drawn if training.unit == 1 else drawn * np.float32(training.unit)
    return latents.decode(training.first.model(), scaled)


def is_conditional(training: Run) -> bool:
    """Tell whether the model draws images of the classes it is asked for."""
    return "labels" in inspect.signature(getattr(training.module, "sample", len)).parameters


def labels(training: Run, n: int) -> Int32[np.ndarray, " n"]:
    """Give the classes of images that `of_model` draws."""
    classes = 1 + int(training.data.train.labels.max())
    return np.arange(n, dtype=np.int32) % np.int32(classes)


def of_training(training: Run, model: Any) -> Float[np.ndarray, "n ..."]:
    """Give the latents of the training images: those trained along with the model, or what it encodes.

    Raises:
        ValueError: the model has no latents.
    """
    if hasattr(model, "latents"):
        return np.asarray(model.latents[...])
    if not hasattr(model, "encode"):
        raise ValueError(f"{training.config.model} has no latents to fit a prior on")
    return latents.encode(model, training.data.train.images)


def settings(chosen: Iterable[str], overrides: Iterable[str]) -> dict[str, Any]:
    """Make the `Config` of each of the priors `chosen`, but of "none", of overrides `prior.key=value`.

    Raises:
        ValueError: an override names no prior of these, or no setting of it, or has a value of another type.
    """
    table = configs.override({}, overrides)
    names = [name for name in chosen if name != "none"]
    if strange := [name for name in table if name not in names]:
        raise ValueError(f"{strange[0]!r} is not among the chosen priors, {', '.join(names) or 'none'}")
    return {
        name: configs.make(registry.get(priors, name).Config, table.get(name, {}), f"prior {name}")
        for name in names
    }


def of_prior(
    training: Run,
    model: Any,
    prior: str,
    n: int,
    *,
    config: Any,
    seed: int = 0,
    notify: train.Notify | None = None,
) -> Float[np.ndarray, "n h w c"]:
    """Draw images in [0, 1] from a prior fitted on the model's latents, or, with "none", from the model.

    Args:
        config: settings of the prior, of `settings`; with "none" not looked at.

    Raises:
        ValueError: there is no such prior, or the model has no latents, or codes.
    """
    if prior == "none":
        return of_model(training, model, n, seed)
    module: ModuleType = registry.get(priors, prior)
    given = of_training(training, model)
    if np.issubdtype(given.dtype, np.integer):
        raise ValueError(
            f"the latents of {training.config.model} are codes, which {prior} does not fit; train a prior "
            f"over codes with latents_of={training.folder}"
        )
    flat = given.reshape(len(given), -1)
    fitted = module.fit(config, flat, seed=seed, notify=notify)
    drawn = np.asarray(module.sample(fitted, jax.random.key(seed), n))
    return latents.decode(model, drawn.reshape(n, *given.shape[1:]))
