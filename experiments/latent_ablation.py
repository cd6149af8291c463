"""Fit variants of the latent codec's networks to crops, from random weights: CONFIG [key=value]

python -m experiments.latent_ablation configs/latent_ablation.toml

Every variant has about as many multiplications a pixel, but for those that ask how many are good. Weights are
not coded, so a row tells what a layer is worth, not what its bytes are. At equal lambda, losses L of two
variants differ by (L - L') pixels / lambda in bits at equal PSNR, to first order.
"""

import dataclasses
import functools
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, UInt8

from dfm import config as configs
from dfm.codecs.latent import fit, grids, model, planes, rounding
from experiments import command, kodak, markdown, rows, soap, variants
from experiments.variants import Variant

_WEIGHTS = optax.chain(optax.clip_by_global_norm(0.1), soap.scale_by_soap())


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose crops, how long to fit, and variants by name (see experiments/variants.py)."""

    images: tuple[str, ...]
    variants: tuple[str, ...]
    crop: int = 192
    lambda_: float = 1e-3
    steps: int = 400
    latent_rate: float = 1e-2
    weight_rate: float = 1e-2
    seed: int = 0
    results: str = str(rows.RESULTS / "latent_ablation.jsonl")


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing."""
    config = configs.command_line(Config, __doc__, arguments)
    settings = {
        k: v for k, v in dataclasses.asdict(config).items() if k not in ("images", "variants", "results")
    }
    chosen = {name: variants.named(name) for name in config.variants}
    keys = [
        {"image": image, "variant": name, "settings": settings} for image in config.images for name in chosen
    ]

    def fitted(key: rows.Row) -> rows.Row:
        return measure(chosen[key["variant"]], kodak.crop(key["image"], config.crop), config)

    rows.complete(config.results, keys, fitted)


def measure(what: Variant, pixels: UInt8[np.ndarray, "h w 3"], config: Config) -> dict[str, Any]:
    """Fit, round the latents, and tell the loss, its parts, and what the networks cost."""
    target = planes.of(pixels)
    start = time.perf_counter()
    w = variants.init(what, config.seed)
    latents = [jnp.zeros(grid.size(*target.shape[1:])) for grid in grids.order(0)]
    state = (w, latents), (_WEIGHTS.init(w), fit.LATENTS.init(latents))
    keys = jax.random.split(jax.random.key(config.seed), config.steps)
    (w, latents), _ = _fitted(state, target, keys, what=what, config=config)
    bits, mse = map(float, _parts(w, [jnp.round(fit.UNIT * v) for v in latents], target, what=what))
    return {
        "loss": mse + config.lambda_ * bits / target[0].size,
        "psnr_db": round(-10 * float(np.log10(mse)), 3),
        "latent_bytes": round(bits / 8),
        "weights": sum(v.size for v in jax.tree.leaves(w)),
        "multiplications": variants.multiplications(what),
        "seconds": round(time.perf_counter() - start, 1),
    }


def table(chosen: Sequence[rows.Row]) -> str:
    """Write losses in percent of the first variant's, for each crop and seed, and their mean."""
    runs = list(dict.fromkeys((row["image"], row["settings"]["seed"]) for row in chosen))
    losses = {(row["variant"], row["image"], row["settings"]["seed"]): row["loss"] for row in chosen}
    first = chosen[0]["variant"]
    lines = []
    for name, row in {row["variant"]: row for row in chosen}.items():
        ratios = [
            100 * losses[name, *run] / losses[first, *run] if (name, *run) in losses else None for run in runs
        ]
        known = [ratio for ratio in ratios if ratio is not None]
        mean = statistics.geometric_mean(known) if len(known) == len(runs) else None
        costs = f"{row['weights']:,}", f"{row['multiplications']:,}"
        lines.append([name, *costs, *(markdown.number(ratio) for ratio in [*ratios, mean])])
    crops = [f"{image}, {seed}" for image, seed in runs]
    return markdown.table(["variant", "weights", "multiplications a pixel", *crops, "mean"], lines)


@functools.partial(jax.jit, static_argnames=("what", "config"))
def _fitted(state, target, keys, *, what: Variant, config: Config):  # type: ignore[no-untyped-def]
    def loss(w: model.Weights, latents: list[Array], key: Array, done: Array) -> Array:
        q = rounding.disturbed(key, [fit.UNIT * v for v in latents], done)
        mse = jnp.mean((variants.image(what, w, q, target.shape[1:]) - target) ** 2)
        return jnp.asarray(mse + config.lambda_ * variants.bits(what, w, q) / target[0].size)

    def step(state, now):  # type: ignore[no-untyped-def]
        (w, latents), (a, b) = state
        gradient = jax.grad(loss, argnums=(0, 1))(w, latents, *now)
        turns, a = _WEIGHTS.update(gradient[0], a)
        moves, b = fit.LATENTS.update(gradient[1], b)
        rate = fit.cosine(now[1])
        w = jax.tree.map(lambda v, d: v - config.weight_rate * rate * d, w, turns)
        latents = jax.tree.map(lambda v, d: v - config.latent_rate * rate * d, latents, moves)
        return ((w, latents), (a, b)), None

    return jax.lax.scan(step, state, (keys, jnp.arange(config.steps) / config.steps))[0]


@functools.partial(jax.jit, static_argnames="what")
def _parts(w: model.Weights, q: list[Array], target: Array, *, what: Variant) -> tuple[Array, Array]:
    image = jnp.clip(variants.image(what, w, q, target.shape[1:]), 0, 1)
    return variants.bits(what, w, q), jnp.mean((image - target) ** 2)


if __name__ == "__main__":
    main()
