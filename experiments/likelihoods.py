"""Bound the log-likelihood of test images: python -m experiments.likelihoods DIR [--samples K] [--images N]

Of a model with latents, `Model.log_weight(batch, key)` gives log p(x, z) - log q(z | x) for a draw of z, an
image each. Their mean is the ELBO; the logarithm of the mean of K weights is the importance-weighted bound,
which K makes tighter (Burda et al., Importance weighted autoencoders, ICLR 2016, 3). A row with both, in nats
an image and bits a dimension, and with the protocol, goes to DIR/likelihoods.jsonl and a file of your choice.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray, UInt8

from dfm.batch import Batch
from experiments import batches, command, markdown, rows, run
from models.layers.likelihood import Kind, Likelihood

_BATCH = 100
_LEVELS = 256
_SETTLING = 10_000  # training images, for the deviation

_Values = Float[np.ndarray, "n h w c"]


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both bounds."""
    parser = command.of_training(__doc__, "likelihoods")
    parser.add_argument("--samples", type=int, default=100, metavar="K", help="of z; default %(default)s")
    parser.add_argument(
        "--images", type=int, default=10_000, metavar="N", help="first of the test; default %(default)s"
    )
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    row = measure(run.open(given.run), given.samples, given.images, given.seed)
    for file in command.files(given, "likelihoods"):
        rows.append(file, row | rows.facts())
    print(table([row]))


def table(measured: Sequence[rows.Row]) -> str:
    """Lay out both bounds, with the protocols below."""
    lines = [
        [row["run"], name, f"{row[f'{key}_nats']:.2f}", f"{row[f'{key}_bits_per_dimension']:.4f}"]
        for row in measured
        for name, key in [("ELBO", "elbo"), (f"IW, {row['protocol']['samples']} samples", "iw")]
    ]
    protocols = {f"protocol: {', '.join(f'{k} {v}' for k, v in row['protocol'].items())}" for row in measured}
    shown = markdown.table(["training", "log p(x) >=", "nats", "bits/dim"], lines)
    return "\n\n".join([shown, *sorted(protocols)])


def measure(training: run.Run, samples: int, images: int, seed: int) -> rows.Row:
    """Average both bounds over the first test images.

    Raises:
        ValueError: the model bounds no likelihood, or there is nothing to average.
    """
    model, name, (known, test) = training.model(), training.config.model, training.data
    if not hasattr(model, "log_weight"):
        raise ValueError(f"{training.folder} is a {name}, which bounds no likelihood; choose another")
    if min(samples, images) < 1:
        raise ValueError(f"{samples} samples of {images} images were asked for; choose 1 or more of each")
    kind, deviation = model.config.likelihood, model.config.deviation
    values, random = (binarized if kind == "bernoulli" else dequantized), np.random.default_rng(seed)
    x = values(test.images[:images], random)
    if kind != "bernoulli" and deviation == "best":
        seen = known.images[:_SETTLING]
        settle(model, values(seen, random), known.labels[: len(seen)], seed)
        deviation = f"best for {len(seen)} training images"
    found = bounds(model, x, test.labels[:images], samples, seed).mean(0)
    row: rows.Row = {"run": training.folder.name, "model": name, "data": training.data_name}
    for key, nats in zip(("elbo", "iw"), found, strict=True):
        row[f"{key}_nats"] = round(float(nats), 4)
        row[f"{key}_bits_per_dimension"] = round(bits(float(nats), x[0].size, kind), 6)
    row["protocol"] = {
        "samples": samples,
        "images": f"first {len(x)} of test",
        "likelihood": kind,
        "deviation": "none" if kind == "bernoulli" else deviation,
        "values": values.__name__,
    }
    return row | {"steps": int(training.state.step), "seed": seed}


def settle(model: Any, images: _Values, labels: Int[np.ndarray, " n"], seed: int) -> None:
    """Hold the deviation at which the ELBO of images is largest, by one draw of z each.

    The slope of a density by log deviation is, at 1, the sum of errors, squared for L2, less their number.
    """
    kind: Kind = model.config.likelihood
    model.likelihood = Likelihood(kind, "fixed", 1.0)
    of_deviation = nnx.DiffState(0, nnx.PathContains("log_deviation"))

    def slope(model: Any, batch: Batch, key: PRNGKeyArray) -> Array:
        found = nnx.grad(lambda m: m.log_weight(batch, key).mean(), argnums=of_deviation)(model)
        return jnp.broadcast_to(jax.tree.leaves(found)[0], len(batch.images))

    error = 1 + _of_draws(model, slope, images, labels, seed).mean() / images[0].size
    model.likelihood = Likelihood(kind, "fixed", float(error**0.5 if kind == "gaussian" else error))


def bounds(
    model: Any, images: _Values, labels: Int[np.ndarray, " n"], samples: int, seed: int
) -> Float[np.ndarray, "n 2"]:
    """Give the ELBO and the importance-weighted bound of each image, in nats, from the same draws."""

    def both(model: Any, batch: Batch, key: PRNGKeyArray) -> Array:
        keys = jax.random.split(key, samples)
        logs = jax.lax.map(lambda key: model.log_weight(batch, key), keys)
        weighted = jax.nn.logsumexp(logs, axis=0) - jnp.log(samples)
        return jnp.stack([logs.mean(0), weighted], axis=1)

    return _of_draws(model, both, images, labels, seed)


def bits(nats: float, dimensions: int, kind: str) -> float:
    """Turn a log-likelihood into bits a dimension; a density is one of values that are 1/256 apart."""
    return -nats / dimensions / float(np.log(2)) + (0 if kind == "bernoulli" else np.log2(_LEVELS))


def dequantized(images: UInt8[np.ndarray, "n h w c"], random: np.random.Generator) -> _Values:
    """Add uniform noise of a level: then densities bound chances (Theis et al., ICLR 2016, 3.1)."""
    return (images + random.random(images.shape, np.float32)) / _LEVELS


def binarized(images: UInt8[np.ndarray, "n h w c"], random: np.random.Generator) -> _Values:
    """Draw black or white once, by gray as chance (Salakhutdinov and Murray, ICML 2008, 4)."""
    return (random.random(images.shape, np.float32) < images / (_LEVELS - 1)).astype(np.float32)


def _of_draws(
    model: Any,
    function: Callable[[Any, Batch, PRNGKeyArray], Array],
    images: _Values,
    labels: Int[np.ndarray, " n"],
    seed: int,
) -> Float[np.ndarray, "n ..."]:
    """Evaluate a function of the model, a batch, and the key of its draws."""

    def of_batch(model: Any, images: Array, labels: Array, indices: Array) -> Array:
        key = jax.random.fold_in(jax.random.key(seed), indices[0])
        return function(model, Batch(images, labels, indices), key)

    given = images, labels.astype(np.int32), np.arange(len(images), dtype=np.int32)
    return batches.apply(model, of_batch, *given, batch=_BATCH).astype(np.float64)


if __name__ == "__main__":
    main()
