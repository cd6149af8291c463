"""Start the base networks of the latent codec, and write them as its decoder reads them."""

from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dfm.codecs.latent import analysis, fit, model, weights


class Networks(NamedTuple):
    """Hold the weights that a file's decoder has, and those that only the encoder needs."""

    base: model.Weights
    analysis: analysis.Weights


def first(seed: int, lambda_: float, finest: int, start: str) -> Networks:
    """Draw weights, or read those of another lambda and rescale the latents for this one."""
    keys = jax.random.split(jax.random.key(seed))
    drawn = Networks(model.init(keys[0], finest), analysis.init(keys[1], finest))
    if not start:
        return drawn
    other = weights.read(start)
    gain = (other.lambda_ / lambda_) ** 0.5
    base = fit.floats(other.weights)
    base["synthesis.1"] = base["synthesis.1"] / gain
    guess = {name: jnp.asarray(v, jnp.float32) for name, v in other.analysis.items()}
    return Networks(base, {k: v * gain if k.endswith("head") else v for k, v in guess.items()})


def save(path: Path, networks: Networks, lambda_: float, finest: int) -> None:
    """Write the weights as the decoder wants them, whole or not at all.

    Raises:
        ValueError: a weight is too large.
    """
    arrays: dict[str, np.ndarray] = {"lambda": np.array(lambda_), "finest": np.array(finest)}
    for name, w in networks.base.items():
        rounded = np.rint(np.asarray(w, np.float64) * 2**weights.BITS)
        if not np.abs(rounded).max() <= weights.LARGEST:
            raise ValueError(f"{name} grew too large or diverged; train with a lower learning rate")
        arrays[f"base/{name}"] = rounded.astype(np.int16)
    arrays |= {f"analysis/{name}": np.asarray(w, np.float16) for name, w in networks.analysis.items()}
    temporary = path.with_suffix(".part.npz")
    with temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    temporary.replace(path)
