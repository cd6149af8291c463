"""Find the directions in which the weights of base networks change from photo to photo.

python -m experiments.train_directions configs/latent_directions.toml photos=FOLDER base=FILE.npz

Latents and weights are fitted to many crops. Where the fits end, the curvature of the loss is taken as a
Kronecker product for each group of weights (K-FAC: Martens and Grosse, 2015; its factors are estimated as in
Shampoo: Gupta et al., 2018), by which coefficients are scaled: a change of 1 costs half a bit a pixel,
whichever changes. Among such directions, those are chosen in which the coefficients of the fits do not
correlate (Karhunen-Loeve).
"""

import dataclasses
import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float64

from dfm import config as configs
from dfm.codecs import latent
from dfm.codecs.latent import coefficients, fit, model, weight_changes, weights
from experiments import command, crops, networks

_SAMPLES = 4  # of the curvature, a crop
_FLOOR = 1e-4  # of the curvature, of its largest value
_EDGE = 1e-6  # of the distribution function
_LEAST = 1e-9  # of a coefficient
_SIDES = "sij,skj->ik", "sij,sik->jk"  # covariances of the rows, and of the columns

_loss = jax.jit(model.loss, static_argnames="finest")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Say for which networks directions are found.

    Attributes:
        photos: folder of photos.
        base: file of the networks, which gets the directions in place of its own.
        start: file whose directions the first round takes in place of those of `base`.
        rounds: times that crops are fitted, each in the directions found so far.
        crops: crops of a round.
        crop: side of a crop in pixels.
        steps: steps of a fit.
        enlarged: part of the crops that are enlarged, up to twice.
    """

    photos: str
    base: str
    start: str = ""
    rounds: int = 2
    crops: int = 20
    crop: int = 256
    steps: int = 150
    enlarged: float = 0.5
    seed: int = 0


class Seen(NamedTuple):
    """Hold what a fit tells of a group: both factors of the curvature, and the change of its matrix."""

    left: Float64[np.ndarray, "m m"]
    right: Float64[np.ndarray, "n n"]
    change: Float64[np.ndarray, "m n"]


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    config = configs.command_line(Config, __doc__, arguments)
    path, random = Path(config.base), np.random.default_rng(config.seed)
    photos = crops.read(Path(config.photos))[crops.HELD_OUT :]
    for now in range(config.rounds):
        base, began = weights.read(path), time.monotonic()
        if config.start and now == 0:
            base = dataclasses.replace(base, directions=weights.read(config.start).directions)
        images = crops.sample(random, photos, config.crops, config.crop, config.enlarged)
        pixels = jnp.asarray(images / 255.0, jnp.float32)
        fits = [_fitted(base, crop, config, seed) for seed, crop in enumerate(pixels)]
        found = {group: directions([seen[group] for seen, _ in fits]) for group in base.directions}
        networks.save(path, dataclasses.replace(base, directions=found))
        loss = np.mean([loss for _, loss in fits])
        print(f"round {now + 1}: loss {loss:.4g} before, {time.monotonic() - began:.0f} s", flush=True)


def directions(fits: Sequence[Seen]) -> weights.Directions:
    """Give the directions of a group from what fits tell of it."""
    left, right = (np.mean([getattr(seen, side) for seen in fits], axis=0) for side in ("left", "right"))
    scale = np.trace(left) ** 0.25  # each factor holds the trace of the other
    left, right = scale * _inverse_root(left), scale * _inverse_root(right)
    c = np.stack([np.linalg.solve(left, np.linalg.solve(right, seen.change.T).T) for seen in fits])
    rows, columns = (_principal(np.einsum(which, c, c)) for which in _SIDES)
    magnitude = np.abs(rows.T @ c @ columns).mean(0) + _LEAST
    separable = np.outer(magnitude.mean(1), magnitude.mean(0)) / magnitude.mean()
    spread = weight_changes.LEVEL_OF_ONE + 4 * np.log2(magnitude * separable)
    (left, p), (right, r) = _in_integers(left @ rows), _in_integers(right @ columns)
    return weights.Directions(
        left=left,
        right=right,
        shift=p + r + weight_changes.STEP_BITS - weights.BITS,
        spread=np.clip(np.rint(spread), -128, 127).astype(np.int64),
    )


def _fitted(
    base: weights.Base, pixels: Float[Array, "3 h w"], config: Config, seed: int
) -> tuple[dict[str, Seen], float]:
    settings = dataclasses.replace(latent.PRESETS["fast"], steps=config.steps)
    fitted = fit.soft(
        fit.start(base, pixels),
        pixels,
        base,
        settings,
        lambda state, report, lambda_: lambda_,
        base.lambda_,
        seed=seed,
        notify=lambda fraction, text: None,
    )
    q = [jnp.round(v) for v in fitted.latents]
    w = coefficients.changed(coefficients.networks(base), fitted.state.changes, base.finest)
    loss = _loss(w, q, 0.0, pixels, base.lambda_, base.finest)[0]
    factors = _curvature(w, q, jax.random.key(seed), base.lambda_, finest=base.finest, size=pixels.shape[1:])
    change = _joined(
        {name: w[name] - v for name, v in coefficients.floats(base.weights).items()}, base.finest
    )
    return {group: Seen(*map(_doubles, (*factors[group], change[group]))) for group in change}, float(loss)


@functools.partial(jax.jit, static_argnames=("finest", "size"))
def _curvature(
    w: model.Weights, q: list[Array], key: Array, lambda_: float, *, finest: int, size: tuple[int, int]
) -> dict[str, list[Array]]:
    """Sample the Gauss-Newton matrix of errors and the Fisher matrix of rates, in bits per pixel."""
    pixels = size[0] * size[1]

    def sampled(key: Array) -> dict[str, Array]:
        keys = jax.random.split(key)
        image, pull = jax.vjp(lambda w: model.image(w, q, finest, size), w)
        (of_pixels,) = pull(jax.random.normal(keys[0], image.shape) * jnp.sqrt(2 / (3 * lambda_)))
        uniform = [
            jax.random.uniform(key, v.shape, minval=_EDGE - 0.5, maxval=0.5 - _EDGE)
            for key, v in zip(jax.random.split(keys[1], len(q)), q, strict=True)
        ]

        def bits(w: model.Weights) -> Array:
            def cost(x: Array, u: Array) -> Array:
                laplace = model.parameters(w, x)
                mean, log_scale = jax.lax.stop_gradient(laplace)
                drawn = jnp.round(mean - jnp.exp2(log_scale) * jnp.sign(u) * jnp.log1p(-2 * jnp.abs(u)))
                return model.laplace_bits(laplace, drawn)

            return model.costs(cost, w, q, uniform, finest)

        of_bits = jax.grad(bits)(w)
        both = {name: of_pixels[name] + jnp.sqrt(jnp.log(2)) * of_bits[name] for name in w}
        return _joined(both, finest)

    gradients = jax.lax.map(sampled, jax.random.split(key, _SAMPLES))
    weight = 1 / (_SAMPLES * pixels)
    return {group: [weight * jnp.einsum(which, g, g) for which in _SIDES] for group, g in gradients.items()}


def _joined(w: model.Weights, finest: int) -> dict[str, Array]:
    """Join the weights of each group to its matrix."""
    return {
        group: jnp.concatenate([w[name].reshape(len(w[name]), -1) for name in names], axis=1)
        for group, names in weights.groups(finest).items()
    }


def _inverse_root(matrix: Float64[np.ndarray, "n n"]) -> Float64[np.ndarray, "n n"]:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray(vectors / np.sqrt(np.maximum(values, _FLOOR * values[-1])))


def _principal(covariance: Float64[np.ndarray, "n n"]) -> Float64[np.ndarray, "n n"]:
    return np.asarray(np.linalg.eigh(covariance)[1][:, ::-1])


def _doubles(x: Array) -> Float64[np.ndarray, "..."]:
    return np.asarray(x, np.float64)


def _in_integers(matrix: np.ndarray) -> tuple[np.ndarray, int]:
    """Round to 16 bits in units of 2^-p, and give p."""
    p = int(np.floor(np.log2((2**15 - 1) / np.abs(matrix).max())))
    return np.rint(matrix * 2.0**p).astype(np.int64), p


if __name__ == "__main__":
    main()
