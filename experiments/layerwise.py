"""Train a deep autoencoder layer by layer, then fine-tune it, and hold it against one trained end to end.

python -m experiments.layerwise CONFIG [key=value ...]

Phase k trains a one-layer autoencoder on the codes of the phases before, which stay as they are (Bengio et
al., NIPS 2006); together they are one deep autoencoder (Hinton and Salakhutdinov, Science 313, 2006). Both
ways take the same number of steps. Rows tell the error on the test images.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from dfm import config as configs
from dfm import train
from experiments import batches, bottlenecks, command, datasets, latents, markdown, rows, run
from models import autoencoder

Codes = Float[Array, "b n"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Say what is trained, on what.

    Attributes:
        latent: dimensions of the code.
        dense: widths of the encoder's hidden layers; the decoder's are the reverse.
        phase_steps: of each phase; what is left of `train.steps` fine-tunes.
    """

    data: str
    latent: int
    dense: tuple[int, ...]
    phase_steps: int
    train: train.Config
    results: str = str(rows.RESULTS / "layerwise.jsonl")


class Phase(nnx.Module):
    """Own a layer of the encoder and that of the decoder which undoes it, with the deep one's activations."""

    def __init__(self, inputs: int, outputs: int, *, first: bool, last: bool, rngs: nnx.Rngs) -> None:
        self.encoder = nnx.Linear(inputs, outputs, rngs=rngs)
        self.decoder = nnx.Linear(outputs, inputs, rngs=rngs)
        self.of_code = jax.nn.identity if last else jax.nn.silu
        self.of_input = jax.nn.sigmoid if first else jax.nn.silu

    def encode(self, x: Codes) -> Codes:
        """Give the code of the code before."""
        return self.of_code(self.encoder(x))

    def decode(self, code: Codes) -> Codes:
        """Give the code before."""
        return self.of_input(self.decoder(code))


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing, and print the table."""
    config = configs.command_line(Config, __doc__, arguments)
    data = datasets.load(config.data)
    made: rows.Row = {"data": config.data, "latent": config.latent, "dense": list(config.dense)}
    made |= {"phase_steps": config.phase_steps, "train": configs.given(config.train)}
    keys = [{"training": way} | made for way in _WAYS]
    measured = rows.complete(config.results, keys, lambda key: _WAYS[key["training"]](data, config))
    print(table(measured))


def table(measured: Sequence[rows.Row]) -> str:
    """Lay out the PSNR of both ways, and that before fine-tuning."""
    lines = [
        [row["training"], str(row["train"]["steps"]), *(markdown.number(row.get(n), ".2f") for n in _FIGURES)]
        for row in measured
    ]
    return markdown.table(["training", "steps", "before fine-tuning, dB", "PSNR dB"], lines)


def phases(images: Float[np.ndarray, "n h w c"], config: Config) -> list[Phase]:
    """Train a phase for each layer, each on the codes of those before."""
    x = images.reshape(len(images), -1)
    widths = (x.shape[1], *config.dense, config.latent)
    settings = dataclasses.replace(config.train, steps=config.phase_steps)
    rngs, done = nnx.Rngs(config.train.seed), list[Phase]()
    for k, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        phase = Phase(inputs, outputs, first=k == 0, last=k == len(config.dense), rngs=rngs)
        done.append(train.fit(phase, _loss, jnp.asarray(x), settings))
        x = batches.apply(done[-1], lambda phase, x: phase.encode(x), x)
    return done


def assemble(trained: Sequence[Phase], config: Config, shape: tuple[int, ...]) -> autoencoder.Model:
    """Make the deep autoencoder whose layers are those of the phases."""
    settings = autoencoder.Config(latent=config.latent, dense=config.dense)
    model = autoencoder.Model(settings, shape, rngs=nnx.Rngs(config.train.seed))
    for k, phase in enumerate(trained):
        nnx.update(model.encoder.mlp.layers[k], nnx.state(phase.encoder))
        nnx.update(model.decoder.mlp.layers[-1 - k], nnx.state(phase.decoder))
    return model


def _loss(phase: Phase, x: Codes, key: PRNGKeyArray) -> tuple[Array, train.Metrics]:
    return jnp.mean((phase.decode(phase.encode(x)) - x) ** 2), {}


def _layer_by_layer(data: datasets.Dataset, config: Config) -> rows.Row:
    tuning = config.train.steps - (len(config.dense) + 1) * config.phase_steps
    if tuning < 1:
        raise ValueError(
            f"phases of {config.phase_steps} steps leave {tuning} of {config.train.steps} to fine-tune; "
            "choose fewer"
        )
    images = np.asarray(data.train.images / 255, np.float32)
    model = assemble(phases(images, config), config, images.shape)
    before = bottlenecks.scores(data, latents.reconstruct(model, data.test.images))
    return {"untuned_psnr_db": before["psnr_db"]} | _tuned(model, data, config, tuning)


def _end_to_end(data: datasets.Dataset, config: Config) -> rows.Row:
    return _tuned(assemble([], config, data.train.images.shape), data, config, config.train.steps)


def _tuned(model: Any, data: datasets.Dataset, config: Config, steps: int) -> rows.Row:
    settings = dataclasses.replace(config.train, steps=steps)
    trained = train.fit(model, run.Loss(autoencoder.loss), run.arrays(data.train), settings)
    return bottlenecks.scores(data, latents.reconstruct(trained, data.test.images))


_WAYS = {"layer by layer": _layer_by_layer, "end to end": _end_to_end}
_FIGURES = "untuned_psnr_db", "psnr_db"


if __name__ == "__main__":
    main()
