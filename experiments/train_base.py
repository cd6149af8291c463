"""Train the base networks of the latent codec, and the network that guesses latents, on many photos.

python -m experiments.train_base configs/latent_base.toml photos=FOLDER output=FILE.npz

The base networks see latents that are fitted to them, as in a file, and not guesses: a pool of crops is
fitted side by side, and each visit of a crop turns its latents and the networks by one step. At the end of
its life a crop gives way to a new one, which starts from the guess of the network that is trained alongside.
"""

import functools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from dfm import config as configs
from dfm.codecs import latent
from dfm.codecs.latent import analysis, fit, rounding
from experiments import command, crops, networks, pools, soap
from experiments.networks import Networks

_LATENT_RATE = latent.Config(steps=0).latent_rate


@dataclass(frozen=True, kw_only=True)
class Config:
    """Say what is trained, on what, and for how long.

    Attributes:
        photos: folder of photos; eight of them are held out.
        output: file of the weights, written every `save_every` rounds.
        start: weights to start from, of another `lambda_` perhaps.
        fine: weights whose octave 0 those of `start`, which have none, get.
        rounds: visits of each place of the pool.
        pool: places for crops.
        crop: side of a crop in pixels.
        life: visits of a crop.
        first_life: visits of the first crops, whose latents start from zero where `start` is empty: networks
            that start from guesses learn to put all into the finest grid, which is poor at low rates.
        enlarged: part of the crops that are enlarged, up to twice: smooth ones.
    """

    photos: str
    output: str
    lambda_: float
    finest: int = 0
    start: str = ""
    fine: str = ""
    rounds: int = 800
    pool: int = 16
    crop: int = 256
    life: int = 100
    first_life: int = 300
    learning_rate: float = 5e-3
    analysis_rate: float = 3e-3
    enlarged: float = 0.5
    save_every: int = 25
    seed: int = 0


class Visit(NamedTuple):
    """Hold what changes from visit to visit."""

    key: Array
    progress: Array  # of the training
    done: Array  # of the life of the crop


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    train(configs.command_line(Config, __doc__, arguments))


def train(config: Config) -> None:
    """Train, and write the weights."""
    random = np.random.default_rng(config.seed)
    pictures = crops.read(Path(config.photos))
    sample = functools.partial(
        crops.sample, random, pictures[crops.HELD_OUT :], side=config.crop, enlarged=config.enlarged
    )
    start = networks.first(config.seed, config.lambda_, config.finest, config.start, config.fine)
    state = start, optimizer(config).init(start)
    pool = pools.born(start.analysis, sample(config.pool), config.finest, zero=not config.start)
    keys = iter(jax.random.split(jax.random.key(config.seed), config.rounds))
    began = time.monotonic()
    first = config.life if config.start else config.first_life
    for now, done in enumerate(pools.ages(config.rounds, config.pool, config.life, first)):
        for place in np.flatnonzero(done == 0) if now else ():
            fresh = pools.born(state[0].analysis, sample(1), config.finest)
            pool = pools.replaced(pool, int(place), fresh)
        progress = (now + np.arange(config.pool) / config.pool) / config.rounds
        visits = Visit(jax.random.split(next(keys), config.pool), jnp.asarray(progress), jnp.asarray(done))
        state, pool, report = advance(state, pool, visits, config=config)
        if (now + 1) % config.save_every == 0 or now + 1 == config.rounds:
            base = networks.rounded(state[0], config.lambda_, config.finest)
            networks.save(Path(config.output), base)
            row = {
                "round": now + 1,
                "seconds": round(time.monotonic() - began),
                "fitted": [float(v) for v in report],
                "held_out": networks.validate(
                    state[0], pictures[: crops.HELD_OUT], config.lambda_, config.finest
                ),
            }
            print(json.dumps(row), flush=True)


def optimizer(config: Config) -> optax.GradientTransformation:
    """Give SOAP along a cosine: with Adam, the analysis needed three times the steps."""

    visits = config.rounds * config.pool

    def kinds(networks: Networks) -> Networks:
        return Networks(
            *(
                jax.tree.map(lambda _, kind=kind: kind, part)
                for kind, part in zip(Networks._fields, networks, strict=True)
            )
        )

    transforms = {
        "base": soap.along(config.learning_rate, visits),
        "analysis": soap.along(config.analysis_rate, visits),
    }
    return optax.partition(transforms, kinds)


@functools.partial(jax.jit, static_argnames="config", donate_argnums=(0, 1))
def advance(state, pool: pools.Pool, visits: Visit, *, config: Config):  # type: ignore[no-untyped-def]
    """Visit each crop once."""

    def visit(state, now):  # type: ignore[no-untyped-def]
        weights, moments = state
        crop, visit = now
        gradient_of = jax.grad(_loss, argnums=(0, 1), has_aux=True)
        gradient, report = gradient_of(weights, crop.latents, crop.images / 255.0, visit, config)
        updates, moments = optimizer(config).update(gradient[0], moments, weights)
        moves, latent_moments = fit.LATENTS.update(gradient[1], crop.moments)
        rate = _LATENT_RATE * fit.cosine(visit.done)
        latents = jax.tree.map(lambda v, d: v - rate * d, crop.latents, moves)
        left = pools.Pool(crop.images, latents, latent_moments)
        return (optax.apply_updates(weights, updates), moments), (left, report)

    state, (pool, reports) = jax.lax.scan(visit, state, (pool, visits))
    return state, pool, jnp.mean(reports, axis=0)


def _loss(
    weights: Networks, latents: list[Array], image: Float[Array, "3 h w"], visit: Visit, config: Config
) -> tuple[Array, Array]:
    """Add the losses of fitted latents and of guesses; the base feels the former alone, more as they age."""
    fixed = jax.tree.map(jax.lax.stop_gradient, weights.base)
    felt = jax.tree.map(lambda w, f: f + visit.done * (w - f), weights.base, fixed)
    keys = jax.random.split(visit.key)
    fitted = rounding.disturbed(keys[0], [fit.UNIT * v for v in latents], visit.done)
    guess = analysis.latents(weights.analysis, image, config.finest)
    guess = rounding.disturbed(keys[1], guess, visit.progress)
    report = networks.measured(felt, fitted, image, config.lambda_, config.finest)
    return report[0] + networks.measured(fixed, guess, image, config.lambda_, config.finest)[0], report


if __name__ == "__main__":
    main()
