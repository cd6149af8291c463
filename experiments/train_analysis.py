"""Train the network that guesses latents further, with the base networks as they are.

python -m experiments.train_analysis configs/latent_analysis.toml photos=FOLDER base=FILE.npz

Files do not depend on that network: only the start of a fit does, and what the preset `instant` makes.
"""

import dataclasses
import functools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, UInt8

from dfm import config as configs
from dfm.codecs.latent import analysis, coefficients, model, rounding, weights
from experiments import command, crops, networks, soap


@dataclass(frozen=True, kw_only=True)
class Config:
    """Say what is trained, on what, and for how long.

    Attributes:
        photos: folder of photos; those that train_base holds out are held out.
        base: file of the base networks, which gets the analysis network in place of its own.
        steps: of the optimizer, each on `crops` crops.
        crop: side of a crop in pixels.
        enlarged: part of the crops that are enlarged, up to twice: smooth ones.
        save_every: steps between writes.
    """

    photos: str
    base: str
    steps: int
    crops: int = 4
    crop: int = 192
    learning_rate: float = 3e-3
    enlarged: float = 0.5
    save_every: int = 250
    seed: int = 0


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    config = configs.command_line(Config, __doc__, arguments)
    path, random = Path(config.base), np.random.default_rng(config.seed)
    base = weights.read(path)
    photos = crops.read(Path(config.photos))
    state = networks.Networks(coefficients.floats(base.weights), analysis.floats(base.analysis))
    moments = soap.along(config.learning_rate, config.steps).init(state.analysis)
    began = time.monotonic()
    for now, key in enumerate(jax.random.split(jax.random.key(config.seed), config.steps)):
        sample = crops.sample(random, photos[crops.HELD_OUT :], config.crops, config.crop, config.enlarged)
        state, moments, loss = advance(
            state, moments, sample, key, now / config.steps, base.lambda_, config=config, finest=base.finest
        )
        if (now + 1) % config.save_every == 0 or now + 1 == config.steps:
            base = dataclasses.replace(base, analysis=networks.halved(state.analysis))
            networks.save(path, base)
            row = {
                "step": now + 1,
                "seconds": round(time.monotonic() - began),
                "loss": float(loss),
                "held_out": networks.validate(state, photos[: crops.HELD_OUT], base.lambda_, base.finest),
            }
            print(json.dumps(row), flush=True)


@functools.partial(jax.jit, static_argnames=("config", "finest"), donate_argnums=(0, 1))
def advance(
    state: networks.Networks,
    moments: optax.OptState,
    images: UInt8[Array, "crops 3 crop crop"],
    key: Array,
    done: Array | float,
    lambda_: Array | float,
    *,
    config: Config,
    finest: int,
) -> tuple[networks.Networks, optax.OptState, Array]:
    """Make a step on the mean loss of guesses, rounded the harder the more is `done`."""

    def loss(w: analysis.Weights, image: Array, key: Array) -> Array:
        guess = rounding.disturbed(key, analysis.latents(w, image, finest), jnp.asarray(done))
        return model.loss(state.base, guess, 0.0, image, lambda_, finest)[0]

    def added(total: tuple[Array, analysis.Weights], crop: tuple[Array, Array]) -> tuple[tuple, None]:  # type: ignore[type-arg]
        image, key = crop
        found = jax.value_and_grad(loss)(state.analysis, image / 255.0, key)
        return jax.tree.map(lambda total, part: total + part / len(images), total, found), None

    zero = jnp.zeros(()), jax.tree.map(jnp.zeros_like, state.analysis)
    (mean, gradient), _ = jax.lax.scan(added, zero, (images, jax.random.split(key, len(images))))
    updates, moments = soap.along(config.learning_rate, config.steps).update(
        gradient, moments, state.analysis
    )
    return state._replace(analysis=optax.apply_updates(state.analysis, updates)), moments, mean


if __name__ == "__main__":
    main()
