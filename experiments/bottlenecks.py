"""Hold autoencoders against PCA at bottlenecks of several sizes.

python -m experiments.bottlenecks CONFIG [key=value ...]

Each is trained, and PCA fitted, on the training images; a row tells the error on the test images, with
reconstructions clipped to [0, 1], and the share of these images' variance about the training mean that is
explained.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from dfm import config as configs
from dfm import train
from experiments import command, datasets, fits, latents, markdown, rows

_PCA = "PCA"


@dataclass(frozen=True, kw_only=True)
class Autoencoder:
    """Name one to train.

    Attributes:
        settings: of the model, the keys of its `Config` but for `latent`.
        learning_rate: in place of that of `train`, unless it is 0.
    """

    name: str
    model: str
    learning_rate: float = 0.0
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Say what is trained, on what, and at which sizes of the code."""

    data: str
    latents: tuple[int, ...]
    autoencoders: tuple[Autoencoder, ...]
    train: train.Config
    results: str = str(rows.RESULTS / "bottlenecks.jsonl")


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing, and print the table."""
    config = configs.command_line(Config, __doc__, arguments)
    data = datasets.load(config.data)
    measured = rows.complete(config.results, _keys(config), lambda key: measure(data, config, key))
    print(table(measured))


def table(measured: Sequence[rows.Row]) -> str:
    """Lay out the PSNR and the explained variance: a line for a method, a column for data and a size."""
    columns = dict.fromkeys((row["data"], row["latent"]) for row in measured)
    lines = []
    for name in dict.fromkeys(row["method"] for row in measured):
        keys = [{"method": name, "data": data, "latent": size} for data, size in columns]
        lines.append([name, *(_cell(rows.find(measured, key)) for key in keys)])
    header = ["PSNR of the mean error, explained", *(f"{data}, {size}" for data, size in columns)]
    return markdown.table(header, lines)


def measure(data: datasets.Dataset, config: Config, key: rows.Row) -> rows.Row:
    """Train or fit one, and score it on the test images.

    Raises:
        ValueError: there is no such model, or its settings are wrong.
        FloatingPointError: the training diverges.
    """
    if key["method"] == _PCA:
        return scores(data, _by_pca(data, key["latent"]))
    settings = key["settings"] | {"latent": key["latent"]}
    trained = fits.fit(key["model"], settings, data.train, train.Config(**key["train"]))
    return scores(data, latents.reconstruct(trained, data.test.images))


def scores(data: datasets.Dataset, made: Float[np.ndarray, "n h w c"]) -> rows.Row:
    """Measure reconstructions of the test images."""
    images, mean = data.test.images / 255, data.train.images.mean(0) / 255
    mse, variance = (float(np.mean((x - images) ** 2)) for x in (made, mean))
    row: rows.Row = {"mse": round(mse, 6), "psnr_db": round(-10 * math.log10(mse), 3)}
    return row | {"explained": round(1 - mse / variance, 4)}


def _keys(config: Config) -> Iterable[rows.Row]:
    """Name each row by what makes it."""
    for latent in config.latents:
        at: rows.Row = {"data": config.data, "latent": latent}
        yield at | {"method": _PCA}
        for one in config.autoencoders:
            own: rows.Row = {"method": one.name, "model": one.model, "settings": one.settings}
            yield at | own | {"train": configs.given(_pace(config, one))}


def _pace(config: Config, one: Autoencoder) -> train.Config:
    rate = one.learning_rate or config.train.learning_rate
    return dataclasses.replace(config.train, learning_rate=rate)


def _by_pca(data: datasets.Dataset, size: int) -> Float[np.ndarray, "n h w c"]:
    from sklearn.decomposition import PCA

    known, tested = (np.float32(split.images.reshape(len(split.images), -1) / 255) for split in data)
    pca = PCA(size, svd_solver="covariance_eigh").fit(known)
    made = np.clip(pca.inverse_transform(pca.transform(tested)), 0, 1)
    return np.asarray(made.reshape(data.test.images.shape))


def _cell(row: rows.Row | None) -> str:
    return f"{row['psnr_db']:.2f} dB, {100 * row['explained']:.1f} %" if row else "–"


if __name__ == "__main__":
    main()
