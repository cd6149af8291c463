"""Measure what penalties on a code do: python -m experiments.penalties CONFIG [key=value ...]

A model is trained once for each value of a setting; a row tells the PSNR of the test images, and what the
penalty is to hold down, by the names of the metrics of its loss.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import models
from dfm import config as configs
from dfm import registry, train
from experiments import batches, command, datasets, fits, markdown, rows, run


@dataclass(frozen=True, kw_only=True)
class Penalty:
    """Name a model to train.

    Attributes:
        key: setting that takes each of `values`.
        metric: of its loss, what the penalty is about.
        settings: all others.
    """

    model: str
    key: str
    values: tuple[float, ...]
    metric: str
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Say what is trained, on what."""

    data: str
    penalties: tuple[Penalty, ...]
    train: train.Config
    results: str = str(rows.RESULTS / "penalties.jsonl")


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing, and print the table."""
    config = configs.command_line(Config, __doc__, arguments)
    data = datasets.load(config.data)
    print(table(rows.complete(config.results, _keys(config), lambda key: measure(data, key))))


def table(measured: Sequence[rows.Row]) -> str:
    """Lay out the metric and the PSNR for each value."""
    lines = [
        [
            row["model"],
            f"{row['key']} {row['value']:g}",
            f"{row['metric']} {row['measured']:.3g}",
            f"{row['psnr_db']:.2f}",
        ]
        for row in measured
    ]
    return markdown.table(["model", "setting", "test images", "PSNR dB"], lines)


def measure(data: datasets.Dataset, key: rows.Row) -> rows.Row:
    """Train one, and average the metrics of the test images.

    Raises:
        ValueError: there is no such model or setting, or its loss tells no such metric.
        FloatingPointError: the training diverges.
    """
    settings = key["settings"] | {key["key"]: key["value"]}
    trained = fits.fit(key["model"], settings, data.train, train.Config(**key["train"]))
    loss = run.Loss(registry.get(models, key["model"]).loss)
    told = batches.metrics(trained, loss, run.arrays(data.test), 0)
    if key["metric"] not in told:
        raise ValueError(f"{key['model']} tells no {key['metric']}; choose one of {', '.join(told)}")
    return {"measured": round(told[key["metric"]], 6), "psnr_db": round(told["psnr_db"], 4)}


def _keys(config: Config) -> Iterable[rows.Row]:
    """Name each row by what makes it."""
    for one in config.penalties:
        named = {k: v for k, v in dataclasses.asdict(one).items() if k != "values"}
        for value in one.values:
            yield named | {"value": value, "data": config.data, "train": configs.given(config.train)}


if __name__ == "__main__":
    main()
