"""Retrain a decoder against a frozen encoder.

python -m experiments.retrain_decoder CONFIG [key=value ...]

A `spatial_vae` is trained; then a fresh decoder is, to the same loss, on the latents of its encoder, which
stays as it is. A row tells the PSNR of the test images through either decoder.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from flax import nnx
from jaxtyping import Array, PRNGKeyArray

from dfm import config as configs
from dfm import train
from dfm.batch import Batch
from experiments import command, datasets, latents, markdown, pictures, rows, run
from models import spatial_vae
from models.layers import adversarial


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose data, model, and how long to train either time."""

    data: str
    steps: int
    batch: int = 32
    learning_rate: float = 1e-3
    seed: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    results: str = str(rows.RESULTS / "retrain_decoder.jsonl")


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing, and print the table."""
    config = configs.command_line(Config, __doc__, arguments)
    names = "data", "steps", "batch", "learning_rate", "seed", "settings"
    key = {name: getattr(config, name) for name in names}
    data = datasets.load(config.data)
    rows.complete(config.results, [key], lambda _: measure(data, config))
    print(table(rows.read(config.results)))


def table(measured: Sequence[rows.Row]) -> str:
    """Lay out the PSNR through both decoders: a line for each set of images."""
    lines = [[row["data"], f"{row['first_psnr_db']:.2f}", f"{row['fresh_psnr_db']:.2f}"] for row in measured]
    return markdown.table(["data", "trained together, dB", "retrained, dB"], lines)


def measure(data: datasets.Dataset, config: Config) -> rows.Row:
    """Train both decoders, and measure them.

    Raises:
        ValueError: the settings are wrong.
        FloatingPointError: a training diverges.
    """
    settings = configs.make(spatial_vae.Config, config.settings, "settings")
    training = train.Config(
        steps=config.steps, batch=config.batch, learning_rate=config.learning_rate, seed=config.seed
    )
    known = run.arrays(data.train)
    shape = data.train.images.shape
    first = spatial_vae.Model(settings, shape, rngs=nnx.Rngs(config.seed))
    first = train.fit(first, run.Loss(spatial_vae.loss), known, training)
    fresh = train.fit(with_fresh_decoder(first, shape, config.seed + 1), run.Loss(loss), known, training)
    psnrs = [psnr(model, data.test.images) for model in (first, fresh)]
    return {"first_psnr_db": round(psnrs[0], 3), "fresh_psnr_db": round(psnrs[1], 3)}


def with_fresh_decoder(first: spatial_vae.Model, shape: tuple[int, ...], seed: int) -> spatial_vae.Model:
    """Make a model of which the encoder is that of another."""
    fresh = spatial_vae.Model(first.config, shape, rngs=nnx.Rngs(seed))
    fresh.encoder = first.encoder
    return fresh


def loss(model: spatial_vae.Model, batch: Batch, key: PRNGKeyArray) -> tuple[Array, train.Metrics]:
    """Compute the loss of `spatial_vae` with an encoder that does not learn."""
    model.encoder = adversarial.frozen(model.encoder)
    return spatial_vae.loss(model, batch, key)


def psnr(model: spatial_vae.Model, images: np.ndarray) -> float:
    """Measure the PSNR of images, in dB, over all of them."""
    return pictures.psnr(latents.reconstruct(model, images), images / 255)


if __name__ == "__main__":
    main()
