"""Start the base networks of the latent codec, and write them as its decoder reads them."""

import functools
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float16

from dfm.codecs.latent import analysis, coefficients, grids, model, planes, weight_changes, weights
from experiments import crops

_MIDDLE = 256  # pixels, of the side of what is measured of a photo
_PATCH, _CHILDREN = 9, 4  # pixels of a neighborhood, and pixels of one of the next coarser grid


class Networks(NamedTuple):
    """Hold the weights that a file's decoder has, and those that only the encoder needs."""

    base: model.Weights
    analysis: analysis.Weights


def first(seed: int, lambda_: float, finest: int, start: str, fine: str = "") -> Networks:
    """Draw weights, or read those of another lambda and rescale the latents for this one.

    Args:
        seed: of what is drawn.
        lambda_: of the training.
        finest: octave of the finest grid.
        start: file of the weights to read; empty to draw them.
        fine: file of networks whose octave 0 those of `start` get, which have none.

    Raises:
        ValueError: `start` or `fine` does not have the grids that are asked for.
    """
    if fine and not start:
        raise ValueError(f"octave 0 of {fine} is added to networks without it; name them by start=FILE")
    if not start:
        keys = jax.random.split(jax.random.key(seed))
        return Networks(model.init(keys[0], finest), analysis.init(keys[1], finest))
    other = weights.read(start)
    if other.finest - bool(fine) != finest:
        raise ValueError(f"{start} begins at octave {other.finest}; add octave 0 to 1 by fine=FILE")
    gain = (other.lambda_ / lambda_) ** 0.5
    base = coefficients.floats(other.weights)
    base["synthesis.1"] = base["synthesis.1"] / gain
    guess = {k: v * gain if k.endswith("head") else v for k, v in analysis.floats(other.analysis).items()}
    read = Networks(base, guess)
    return _finer(read, weights.read(fine), lambda_) if fine else read


def _finer(networks: Networks, fine: weights.Base, lambda_: float) -> Networks:
    """Add octave 0, guessed as 0, with the context of octave 1 and the colors that it makes in `fine`."""
    if fine.finest > 0:
        raise ValueError(f"fine begins at octave {fine.finest}; give networks with octave 0")
    w, gain = dict(networks.base), (fine.lambda_ / lambda_) ** 0.5
    w["context.grids"] = jnp.concatenate([w["context.grids"], w["context.grids"][-1:]])
    seen = w["features.1"]
    coarser = seen.shape[1] - _PATCH
    w["features.0"] = jnp.insert(seen, coarser, 0.0, axis=1)
    w["features.0.bias"] = jnp.copy(w["features.1.bias"])  # each array is donated
    of_fine = coefficients.floats(fine.weights)["synthesis.1"].reshape(-1, _PATCH, _CHILDREN + grids.COARSEST)
    colors = of_fine[:, :, :_CHILDREN].at[weights.COLORS :].set(0.0) / gain
    others = w["synthesis.1"].reshape(-1, _PATCH, grids.COARSEST)
    w["synthesis.1"] = jnp.concatenate([colors, others], axis=2).reshape(len(others), -1)
    return Networks(w, networks.analysis | {"0.head": jnp.zeros((_CHILDREN, analysis.WIDTH))})


def rounded(networks: Networks, lambda_: float, finest: int) -> weights.Base:
    """Round the weights as the decoder wants them; each changes by itself, all alike.

    Raises:
        ValueError: a weight is too large.
    """
    integers = {}
    for name, w in networks.base.items():
        real = np.rint(np.asarray(w, np.float64) * 2**weights.BITS)
        if not np.abs(real).max() <= weights.LARGEST:
            raise ValueError(f"{name} grew too large or diverged; train with a lower learning rate")
        integers[name] = real.astype(np.int64)
    return weights.Base(
        finest=finest,
        lambda_=lambda_,
        weights=integers,
        directions={group: _plain(*shape) for group, shape in weights.shapes_of_groups(finest).items()},
        analysis=halved(networks.analysis),
    )


def halved(w: analysis.Weights) -> dict[str, Float16[np.ndarray, "..."]]:
    """Round the weights of an analysis network to 16 bits."""
    return {name: np.asarray(values, np.float16) for name, values in w.items()}


def measured(
    w: model.Weights, q: list[Array], image: Float[Array, "3 h w"], lambda_: float, finest: int
) -> Float[Array, "3"]:
    """Give MSE + lambda * bits per pixel, the MSE, and the bits per pixel."""
    loss, parts = model.loss(w, q, 0.0, image, lambda_, finest)
    return jnp.stack([loss, parts[0], parts[1] / image[0].size])


def validate(networks: Networks, pictures: crops.Photos, lambda_: float, finest: int) -> list[float]:
    """Give the mean loss, MSE and bits per pixel of the middles of photos, with rounded guesses."""
    found = []
    for photo in pictures:
        y, x = ((side - _MIDDLE) // 2 for side in photo.shape[:2])
        middle = photo[max(y, 0) :, max(x, 0) :][:_MIDDLE, :_MIDDLE]
        pixels = planes.of(middle)
        found.append(_guessed(networks, pixels, lambda_, finest=finest))
    return [float(v) for v in np.mean(found, axis=0)]


@functools.partial(jax.jit, static_argnames="finest")
def _guessed(networks: Networks, image: Array, lambda_: float, *, finest: int) -> Array:
    q = [jnp.round(v) for v in analysis.latents(networks.analysis, image, finest)]
    return measured(networks.base, q, image, lambda_, finest)


def save(path: Path, base: weights.Base) -> None:
    """Write base networks, whole or not at all."""
    arrays: dict[str, np.ndarray] = {"lambda": np.array(base.lambda_), "finest": np.array(base.finest)}
    arrays |= {f"base/{name}": w.astype(np.int16) for name, w in base.weights.items()}
    for group, along in base.directions.items():
        arrays[f"left/{group}"] = along.left.astype(np.int16)
        arrays[f"right/{group}"] = along.right.astype(np.int16)
        arrays[f"shift/{group}"] = np.array(along.shift)
        arrays[f"spread/{group}"] = along.spread.astype(np.int8)
    arrays |= {f"analysis/{name}": w for name, w in base.analysis.items()}
    temporary = path.with_suffix(".part.npz")
    with temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    temporary.replace(path)


def _plain(rows: int, columns: int) -> weights.Directions:
    unit = 2**13
    return weights.Directions(
        left=unit * np.eye(rows, dtype=np.int64),
        right=unit * np.eye(columns, dtype=np.int64),
        shift=26 + weight_changes.STEP_BITS - weights.BITS,
        spread=np.full((rows, columns), weight_changes.LEVEL_OF_ONE - 56, np.int64),
    )
