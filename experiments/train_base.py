"""Train the base networks of the latent codec, and the network that guesses latents, on many photos.

python -m experiments.train_base configs/latent_base.toml photos=FOLDER output=FILE.npz
"""

import functools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, UInt8

from dfm import config as configs
from dfm import soap
from dfm.codecs.latent import analysis, model, rounding
from experiments import crops, networks
from experiments.networks import Networks

_CHUNK = 20
_HELD_OUT = 8


@dataclass(frozen=True, kw_only=True)
class Config:
    """Say what is trained, on what, and for how long.

    Attributes:
        photos: folder of photos; eight of them are held out.
        output: file of the weights, written every `save_every` steps.
        start: weights to start from, of another `lambda_` perhaps.
    """

    photos: str
    output: str
    lambda_: float
    finest: int = 0
    start: str = ""
    steps: int = 12_000
    batch: int = 4
    crop: int = 128
    learning_rate: float = 3e-3
    analysis_rate: float = 3e-3
    temperature: tuple[float, float] = (0.3, 0.1)
    noise: tuple[float, float] = (0.22, 0.15)
    save_every: int = 500
    seed: int = 0


def main(arguments: Sequence[str] | None = None) -> None:
    train(configs.command_line(Config, __doc__, arguments))


def train(config: Config) -> None:
    """Train, and write the weights."""
    random = np.random.default_rng(config.seed)
    pictures = crops.read(Path(config.photos))
    start = networks.first(config.seed, config.lambda_, config.finest, config.start)
    optimizer = optimizers(config)
    state = start, optimizer.init(start)
    began = time.monotonic()
    for at in range(0, config.steps, _CHUNK):
        batches = np.stack(
            [crops.sample(random, pictures[_HELD_OUT:], config.batch, config.crop) for _ in range(_CHUNK)]
        )
        keys = jax.random.split(jax.random.key(config.seed * config.steps + at), _CHUNK)
        progress = jnp.arange(at, at + _CHUNK) / config.steps
        state, report = advance(state, batches, keys, progress, config=config)
        if (at + _CHUNK) % config.save_every == 0 or at + _CHUNK >= config.steps:
            networks.save(Path(config.output), state[0], config.lambda_, config.finest)
            row = {
                "step": at + _CHUNK,
                "seconds": round(time.monotonic() - began),
                "train": [float(v) for v in report],
                "held_out": validate(state[0], pictures[:_HELD_OUT], config),
            }
            print(json.dumps(row), flush=True)


def optimizers(config: Config) -> optax.GradientTransformation:
    """Give SOAP along a cosine: with Adam, the analysis needed three times the steps."""

    def along(rate: float) -> optax.GradientTransformation:
        schedule = optax.cosine_decay_schedule(rate, config.steps, 0.01)
        return optax.chain(
            optax.clip_by_global_norm(1.0), soap.scale_by_soap(), optax.scale_by_learning_rate(schedule)
        )

    def kinds(networks: Networks) -> Networks:
        return Networks(
            *(
                jax.tree.map(lambda _, kind=kind: kind, part)
                for kind, part in zip(Networks._fields, networks, strict=True)
            )
        )

    transforms = {"base": along(config.learning_rate), "analysis": along(config.analysis_rate)}
    return optax.partition(transforms, kinds)


def loss(
    networks: Networks,
    image: Float[Array, "3 h w"],
    key: Array,
    temperature: Array,
    noise: Array,
    config: Config,
) -> tuple[Array, Array]:
    """Give MSE + lambda * bits per pixel, and both parts."""
    latents = analysis.latents(networks.analysis, image, config.finest)
    keys = jax.random.split(key, len(latents))
    q = [rounding.noisy(k, v, temperature, noise) for k, v in zip(keys, latents, strict=True)]
    return _measured(networks, q, image, config)


def _measured(networks: Networks, q: list[Array], image: Array, config: Config) -> tuple[Array, Array]:
    rate = jnp.sum(model.bits(networks.base, q, config.finest)) / (image.size / 3)
    mse = jnp.mean((model.image(networks.base, q, config.finest, image.shape[1:]) - image) ** 2)
    return mse + config.lambda_ * rate, jnp.stack([mse, rate])


@functools.partial(jax.jit, static_argnames="config", donate_argnums=0)
def advance(state, batches, keys, progress, *, config: Config):  # type: ignore[no-untyped-def]
    """Make a step for each batch of crops."""
    optimizer = optimizers(config)

    def step(state, now):  # type: ignore[no-untyped-def]
        weights, moments = state
        images, key, progress = now
        temperature, noise = (a + (b - a) * progress for a, b in (config.temperature, config.noise))
        one = functools.partial(loss, temperature=temperature, noise=noise, config=config)
        gradient, parts = _averaged(jax.grad(one, has_aux=True), weights, images / 255.0, key)
        updates, moments = optimizer.update(gradient, moments, weights)
        return (optax.apply_updates(weights, updates), moments), parts

    state, parts = jax.lax.scan(step, state, (batches, keys, progress))
    return state, jnp.mean(parts, axis=0)


def _averaged(
    gradient_of: Callable[[Networks, Array, Array], tuple[Networks, Array]],
    weights: Networks,
    images: Float[Array, "batch 3 h w"],
    key: Array,
) -> tuple[Networks, Array]:
    """Average over a batch, one image after the other: a third of the time of `vmap` on a CPU."""

    def add(sums: Networks, now: tuple[Array, Array]) -> tuple[Networks, Array]:
        gradient, parts = gradient_of(weights, *now)
        return jax.tree.map(lambda a, b: a + b / len(images), sums, gradient), parts

    zeros = jax.tree.map(jnp.zeros_like, weights)
    gradient, parts = jax.lax.scan(add, zeros, (images, jax.random.split(key, len(images))))
    return gradient, jnp.mean(parts, axis=0)


@functools.partial(jax.jit, static_argnames="config")
def _rounded(networks: Networks, image: Array, config: Config) -> tuple[Array, Array]:
    latents = analysis.latents(networks.analysis, image, config.finest)
    return _measured(networks, [jnp.round(v) for v in latents], image, config)


def validate(networks: Networks, pictures: list[UInt8[np.ndarray, "_h _w 3"]], config: Config) -> list[float]:
    """Give the mean loss, MSE and bits per pixel of the middles of photos, with rounded latents."""
    rows = []
    for photo in pictures:
        y, x = ((side - 256) // 2 for side in photo.shape[:2])
        middle = photo[max(y, 0) :, max(x, 0) :][:256, :256]
        total, parts = _rounded(networks, jnp.asarray(middle.transpose(2, 0, 1) / 255.0, jnp.float32), config)
        rows.append([float(total), *map(float, parts)])
    return [float(v) for v in np.mean(rows, axis=0)]


if __name__ == "__main__":
    main()
