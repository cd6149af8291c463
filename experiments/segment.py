"""Measure a segmentation on the test images: python -m experiments.segment DIR [--results FILE]

Tells the intersection over union of each class and their mean, and the accuracy of pixels. DIR gets
segmentation.png: images over the classes of their pixels over those predicted.
"""

import colorsys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8

from dfm import image
from experiments import batches, command, markdown, pictures, rows, run

_SHOWN = 10


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the picture."""
    parser = command.of_training(__doc__, "segment")
    given = parser.parse_args(arguments)
    training = run.open(given.run)
    row, picture = measure(training)
    if given.results:
        rows.append(given.results, row | rows.facts())
    image.write(Path(given.run) / "segmentation.png", picture)
    print(table([row]))


def table(measured: Sequence[rows.Row]) -> str:
    """Lay out the intersections over union."""
    classes = max(len(row["iou"]) for row in measured)
    header = ["training", "accuracy", "mean IoU", *(f"IoU {i}" for i in range(classes))]
    lines = [
        [row["run"], *(markdown.number(x, ".4f") for x in (row["accuracy"], row["mean_iou"], *row["iou"]))]
        for row in measured
    ]
    return markdown.table(header, lines)


def measure(training: run.Run) -> tuple[rows.Row, UInt8[np.ndarray, "hh ww 3"]]:
    """Compare predictions of the test images with their labels, and draw some.

    Raises:
        ValueError: the model is no segmentation.
    """
    model = training.model()
    if not hasattr(model, "predict"):
        raise ValueError(f"{training.config.model} tells no classes of pixels; choose a segmentation")
    test = training.images.test
    predicted = batches.apply(model, lambda model, x: model.predict(x / 255), test.images, batch=100)
    found = intersections_over_unions(predicted, test.labels, model.config.classes)
    row = {
        "run": training.folder.name,
        "data": training.data_name,
        "model": training.config.model,
        "steps": int(training.state.step),
        "accuracy": round(float(np.mean(predicted == test.labels)), 4),
        "mean_iou": round(float(np.nanmean(found)), 4),
        "iou": [None if np.isnan(x) else round(float(x), 4) for x in found],
    }
    return row, _drawn(test.images[:_SHOWN], test.labels[:_SHOWN], predicted[:_SHOWN], model.config.classes)


def intersections_over_unions(
    predicted: Int[np.ndarray, "n h w"], labels: Int[np.ndarray, "n h w"], classes: int
) -> Float[np.ndarray, " classes"]:
    """Divide, for each class, pixels in both by those in either (Everingham et al., IJCV 2010, 4.2).

    A class that nothing is, or is taken for, has none: NaN.
    """
    pairs = np.bincount((classes * labels + predicted).ravel(), minlength=classes**2)
    pairs = pairs.reshape(classes, classes)
    unions = pairs.sum(0) + pairs.sum(1) - pairs.diagonal()
    return np.asarray(np.where(unions > 0, pairs.diagonal() / np.maximum(unions, 1), np.nan))


def _drawn(
    images: UInt8[np.ndarray, "n h w c"],
    labels: Int[np.ndarray, "n h w"],
    predicted: Int[np.ndarray, "n h w"],
    classes: int,
) -> UInt8[np.ndarray, "hh ww 3"]:
    hues = [colorsys.hsv_to_rgb(i / (classes - 1), 1.0, 1.0) for i in range(classes - 1)]
    colors = np.array([(0.0, 0.0, 0.0), *hues])
    photos = np.broadcast_to(images / 255, (*labels.shape, 3))
    return pictures.grid(np.concatenate([photos, colors[labels], colors[predicted]]), len(images))


if __name__ == "__main__":
    main()
