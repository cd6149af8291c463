"""Measure a restoration on the test images: python -m experiments.restore DIR [--damage DIR] [--results FILE]

Tells the PSNR of restored images, and of degraded ones: of the mean error of all. An autoencoder that was
trained on no damage reconstructs, from images that another training damages. DIR gets restoration.png: images
over degraded ones over these restored.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, UInt8

from dfm import image
from experiments import batches, command, markdown, pictures, rows, run

_SHOWN = 10
_COLUMNS = {"degraded": "degraded_psnr_db", "restored": "psnr_db"}


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the picture."""
    parser = command.of_training(__doc__, "restore")
    parser.add_argument("--damage", metavar="DIR", help="the training that damages; by default DIR itself")
    parser.add_argument("--seed", type=int, default=0, help="of noise")
    given = parser.parse_args(arguments)
    training = run.open(given.run)
    damaging = run.open(given.damage) if given.damage else training
    row, picture = measure(training, damaging, given.seed)
    if given.results:
        rows.append(given.results, row | rows.facts())
    image.write(Path(given.run) / "restoration.png", picture)
    print(table([row]))


def table(measured: Sequence[rows.Row]) -> str:
    """Lay out the PSNR of degraded and of restored images."""
    header = ["training", "steps", "damage", *(f"{name}, dB" for name in _COLUMNS)]
    lines = [
        [
            row["run"],
            f"{row['steps']:,}",
            row["damage"],
            *(markdown.number(row[key], ".2f") for key in _COLUMNS.values()),
        ]
        for row in measured
    ]
    return markdown.table(header, lines)


def measure(training: run.Run, damaging: run.Run, seed: int) -> tuple[rows.Row, UInt8[np.ndarray, "hh ww c"]]:
    """Degrade the test images by a training's damage, restore them by another's model, and draw some.

    Raises:
        ValueError: the one damages nothing, or the other restores nothing.
    """
    model, damage, images = training.model(), damaging.model(), training.images.test.images
    if not hasattr(damage, "degrade"):
        raise ValueError(
            f"{damaging.config.model} damages nothing; choose a restoration or a denoising autoencoder, "
            "by --damage beside another autoencoder"
        )
    if not hasattr(model, "restore") and not hasattr(model, "encode"):
        raise ValueError(f"{training.config.model} restores nothing; choose a restoration or an autoencoder")
    keys = np.asarray(jax.random.key_data(jax.random.split(jax.random.key(seed), len(images))))
    degraded = batches.apply(damage, _degraded, images, keys)
    restored = np.clip(batches.apply(model, _restored, degraded, batch=100), 0, 1)
    row = {
        "run": training.folder.name,
        "data": training.data_name,
        "model": training.config.model,
        "damage": damage.damage,
        "steps": int(training.state.step),
        "seed": seed,
        "degraded_psnr_db": round(pictures.psnr(images / 255, degraded), 4),
        "psnr_db": round(pictures.psnr(images / 255, restored), 4),
    }
    shown = [x[:_SHOWN] for x in (images / 255, degraded, restored)]
    return row, pictures.grid(np.concatenate(shown), len(shown[0]))


def _degraded(model: Any, images: Array, keys: Array) -> Array:
    def one(image: Array, key: Array) -> Array:
        degraded: Array = model.degrade(image[None] / 255, jax.random.wrap_key_data(key))[0]
        return degraded

    return jax.vmap(one)(images, keys)


def _restored(model: Any, degraded: Array) -> Array:
    restored: Array = (
        model.restore(degraded) if hasattr(model, "restore") else model.decode(model.encode(degraded))
    )
    return restored


if __name__ == "__main__":
    main()
