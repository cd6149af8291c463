"""Train generators without an encoder in the thesis's units and in ours.

python -m experiments.thesis_generator CONFIG [key=value]

The thesis found large ones unstable. There an MLP gives the coefficients a_k, b_k themselves; here it gives
them in the unit of `dfm.fourier.scale`, around those of a smooth network. A row tells the PSNR of the
training images at the end, and that of their mean, which a network that trains beats.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from dfm import config as configs
from dfm import fourier, network, train
from dfm.batch import Batch
from experiments import command, datasets, markdown, rows
from models import dfm_generator
from models.layers.mlp import MLP


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose sizes and learning rates to try."""

    data: str
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    rates: tuple[float, ...]
    steps: int
    batch: int = 100
    latent_rate: float = 1e-2
    seed: int = 0
    results: str = str(rows.RESULTS / "thesis_generator.jsonl")


class Plain(nnx.Module):
    """Map a latent to coefficients a_k, b_k by an MLP, as the thesis does (4.2.2)."""

    def __init__(self, config: dfm_generator.Config, channels: int, *, rngs: nnx.Rngs) -> None:
        drawn = network.init(rngs.params(), config.width, config.depth, channels)
        first, wide = fourier.scale(2), fourier.scale(config.width)
        one, self._unravel = ravel_pytree(drawn)
        shares = [jnp.full_like(w, unit) for w, unit in zip(drawn, (first, wide, wide), strict=True)]
        self._units, _ = ravel_pytree(network.Network(*shares))
        self.mlp = MLP((config.latent, *config.hidden, one.size), rngs=rngs)

    def __call__(self, z: Float[Array, "b d"]) -> network.Network:
        """Give coefficients as `network.apply` takes them, in its units."""
        coefficients: network.Network = jax.vmap(self._unravel)(self.mlp(z) / self._units)
        return coefficients


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing."""
    config = configs.command_line(Config, __doc__, arguments)
    images = datasets.load(config.data).train.images
    settings = {name: getattr(config, name) for name in ("data", "steps", "batch", "latent_rate", "seed")}
    keys = (
        {"units": units, "width": width, "depth": depth, "learning_rate": rate} | settings
        for width, depth, rate in itertools.product(config.widths, config.depths, config.rates)
        for units in ("thesis", "derived")
    )
    rows.complete(config.results, keys, lambda key: measure(images, config, key))


def table(measured: Sequence[rows.Row]) -> str:
    """Lay out the PSNR that each network reaches: a line for each, a column for units and learning rate."""
    rates = sorted({row["learning_rate"] for row in measured})
    columns = [(units, rate) for units in ("thesis", "derived") for rate in rates]
    header = ["width, depth", "mean image", *(f"{units}, {rate:g}" for units, rate in columns)]
    lines = []
    for width, depth in sorted({(row["width"], row["depth"]) for row in measured}):
        group = [row for row in measured if (row["width"], row["depth"]) == (width, depth)]
        found = [rows.find(group, {"units": units, "learning_rate": rate}) for units, rate in columns]
        cells = [markdown.number(row["psnr_db"] if row else None, ".2f") for row in found]
        lines.append([f"{width}, {depth}", markdown.number(group[0]["mean_image_psnr_db"], ".2f"), *cells])
    return markdown.table(header, lines)


def measure(images: np.ndarray, config: Config, key: rows.Row) -> rows.Row:
    """Train one generator, and tell the PSNR that it reaches; None where it diverges."""
    shape = dfm_generator.Config(width=key["width"], depth=key["depth"])
    rngs = nnx.Rngs(config.seed)
    model: Any = dfm_generator.Model(shape, images.shape, rngs=rngs)
    if key["units"] == "thesis":
        model.hypernetwork = Plain(shape, images.shape[-1], rngs=rngs)
    pixels = jnp.asarray(images / 255, jnp.float32)
    data = Batch(pixels, jnp.zeros(len(images), int), jnp.arange(len(images)))
    settings = train.Config(
        steps=config.steps,
        batch=config.batch,
        learning_rate=key["learning_rate"],
        latent_rate=config.latent_rate,
        seed=config.seed,
    )
    mean = float(-10 * jnp.log10(jnp.mean((pixels - pixels.mean(0)) ** 2)))
    row: rows.Row = {"mean_image_psnr_db": round(mean, 3)}
    try:
        trained = train.fit(model, dfm_generator.loss, data, settings)
    except FloatingPointError:
        return row | {"psnr_db": None}
    errors = (trained.decode(trained.latents[...]) - pixels) ** 2
    return row | {"psnr_db": round(float(-10 * jnp.log10(jnp.mean(errors))), 3)}


if __name__ == "__main__":
    main()
