"""Classify images by their latents: python -m experiments.probe DIR [--shares 1,0.2,0.01]

A support vector machine is trained on the latents of a share of the training images, with their classes, and
a convolutional classifier from scratch on the same images (Kingma et al., Semi-supervised learning with deep
generative models, NIPS 2014, M1). Rows tell both accuracies on the test images.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from dfm import train
from experiments import batches, command, datasets, draws, fits, latents, markdown, rows, run


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both, for each share."""
    parser = command.of_training(__doc__, "probe")
    parser.add_argument("--shares", default="1,0.2,0.01", help="of the labels; default %(default)s")
    parser.add_argument("--steps", type=int, default=1500, help="of the classifier; default %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    shares = [float(share) for share in given.shares.split(",")]
    training = run.open(given.run)
    measured = [measure(training, share, given.steps, given.seed) for share in shares]
    for row in measured if given.results else []:
        rows.append(given.results, row | rows.facts())
    print(table(measured))


def table(measured: Sequence[rows.Row]) -> str:
    """Lay out accuracies by the number of labels."""
    names = "probe_accuracy", "scratch_accuracy"
    lines = [
        [row["run"], str(row["labels"]), *(f"{100 * row[name]:.2f} %" for name in names)] for row in measured
    ]
    return markdown.table(["training", "labels", "from latents", "from scratch"], lines)


def measure(training: run.Run, share: float, steps: int, seed: int) -> rows.Row:
    """Tell the accuracies on the test images with a share of the labels.

    Raises:
        ValueError: the model has no latents, or the share leaves a class without an image.
    """
    from sklearn import pipeline, preprocessing, svm

    images, model = training.images, training.model()
    chosen = stratified(images.train.labels, share, seed)
    known = draws.of_training(training, model)[chosen].reshape(len(chosen), -1)
    tested = latents.encode(model, images.test.images).reshape(len(images.test.labels), -1)
    machine = pipeline.make_pipeline(preprocessing.StandardScaler(), svm.SVC(C=10))
    machine.fit(known, images.train.labels[chosen])
    part = datasets.Split(images.train.images[chosen], images.train.labels[chosen])
    return {
        "run": training.folder.name,
        "data": training.data_name,
        "model": training.config.model,
        "labels": len(chosen),
        "probe_accuracy": round(float(machine.score(tested, images.test.labels)), 4),
        "scratch_accuracy": round(_from_scratch(part, images.test, steps, seed), 4),
        "steps": steps,
        "seed": seed,
    }


def stratified(labels: Int[np.ndarray, " n"], share: float, seed: int) -> Int[np.ndarray, " m"]:
    """Choose a share of each class.

    Raises:
        ValueError: the share is not in (0, 1], or chooses none of a class.
    """
    random = np.random.default_rng(seed)
    counts = np.bincount(labels)
    if not 0 < share <= 1 or min(np.rint(share * counts[counts > 0])) < 1:
        raise ValueError(f"a share of {share} of the labels leaves a class without; choose up to 1")
    chosen = [
        random.permutation(np.flatnonzero(labels == label))[: round(share * count)]
        for label, count in enumerate(counts)
    ]
    return np.sort(np.concatenate(chosen))


def _from_scratch(part: datasets.Split, test: datasets.Split, steps: int, seed: int) -> float:
    config = train.Config(steps=steps, batch=min(128, len(part.labels)), learning_rate=2e-3, seed=seed)
    trained = fits.fit("classifier", {"classes": 1 + int(part.labels.max())}, part, config)
    logits = batches.apply(trained, lambda model, x: model(x / 255), test.images)
    return float(np.mean(logits.argmax(1) == test.labels))


if __name__ == "__main__":
    main()
