"""Find what a model has not seen: python -m experiments.anomaly CONFIG [key=value ...]

For each class, a model is trained on all others; a row tells how well the error of its reconstructions parts
test images of that class from the rest: the area under the ROC curve, 0.5 by chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import models
from dfm import config as configs
from dfm import registry, train
from experiments import command, datasets, fits, latents, markdown, rows


@dataclass(frozen=True, kw_only=True)
class Config:
    """Say which classes are held out, of what, and which model looks for them.

    Attributes:
        settings: of the model, the keys of its `Config`.
    """

    model: str
    data: str
    held: tuple[int, ...]
    train: train.Config
    settings: dict[str, Any] = field(default_factory=dict)
    results: str = str(rows.RESULTS / "anomaly.jsonl")


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing."""
    config = configs.command_line(Config, __doc__, arguments)
    data = datasets.load(config.data)
    key: rows.Row = {"model": config.model, "data": config.data, "settings": config.settings}
    key |= {"train": configs.given(config.train)}
    keys: list[rows.Row] = [{"held": held} | key for held in config.held]
    measured = rows.complete(config.results, keys, lambda key: measure(data, config, key["held"]))
    print(table(measured))


def table(measured: Sequence[rows.Row]) -> str:
    """Lay out the areas, a column a class, and their mean."""
    areas = [row["auroc"] for row in measured]
    header = ["held out", *(str(row["held"]) for row in measured), "mean"]
    return markdown.table(header, [["AUROC", *(f"{area:.3f}" for area in [*areas, np.mean(areas)])]])


def measure(data: datasets.Dataset, config: Config, held: int) -> rows.Row:
    """Train without a class, and tell the area under the curve of the errors.

    Raises:
        ValueError: no test image is of that class; the model cannot reconstruct.
    """
    from sklearn.metrics import roc_auc_score

    if held not in data.test.labels:
        raise ValueError(f"held is {held}, and {config.data} has no such class; choose another")
    module = registry.get(models, config.model)
    if not hasattr(module.Model, "encode"):
        raise ValueError(f"{config.model} does not reconstruct; choose an autoencoder")
    rest = datasets.Split(*(values[data.train.labels != held] for values in data.train))
    trained = fits.fit(config.model, config.settings, rest, config.train)
    made = latents.reconstruct(trained, data.test.images)
    errors = np.mean((made - data.test.images / 255) ** 2, axis=(1, 2, 3))
    return {"auroc": round(float(roc_auc_score(data.test.labels == held, errors)), 4)}


if __name__ == "__main__":
    main()
