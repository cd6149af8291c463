"""Measure what a trained model makes: python -m experiments.evaluate DIR [--priors a,b] [a.key=value ...]

For each prior over its latents, samples are compared with as many test images: FID, KID, precision and recall
by Inception's features, and what a classifier sees in them. Reconstructions are measured too. Rows go to
DIR/evaluation.jsonl, and to a file of your choice.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

import models
from dfm import console, metrics, registry
from dfm.api import Progress
from experiments import (
    batches,
    command,
    draws,
    features,
    fid,
    inception,
    latents,
    markdown,
    pictures,
    rows,
    run,
)
from models import priors

_COLUMNS = {
    "FID": ("fid", ".2f"),
    "KID": ("kid", ".5f"),
    "precision": ("precision", ".3f"),
    "recall": ("recall", ".3f"),
    "PSNR dB": ("psnr_db", ".2f"),
    "accuracy": ("accuracy", ".4f"),
    "entropy": ("entropy", ".3f"),
    "of all": ("classes_entropy", ".3f"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Evaluate a training."""
    parser = command.of_training(__doc__, "evaluate")
    known = ["none", *registry.names(priors)]
    parser.add_argument(
        "--priors", default="normal,mixture", help=f"of {', '.join(known)}; default %(default)s"
    )
    parser.add_argument("--samples", type=int, default=10_000, metavar="N", help="default %(default)s")
    parser.add_argument(
        "--reconstructions", action="store_true", help="compare these by Inception's features too"
    )
    parser.add_argument(
        "--no-features", action="store_true", help="leave out what needs Inception: FID to recall"
    )
    parser.add_argument("--classifier", metavar="DIR", help="the folder of a trained classifier")
    parser.add_argument(
        "--weights", metavar="FILE", help="of Inception, in place of those in the folder of data"
    )
    parser.add_argument("--seed", type=int, default=0)
    command.add_priors(parser)
    given = parser.parse_intermixed_args(arguments)
    chosen = [name for name in given.priors.split(",") if name]
    if unknown := set(chosen) - set(known):
        parser.error(f"{min(unknown)!r} is no prior; choose among {', '.join(known)}")
    try:
        with console.progress() as progress:
            found = list(evaluate(given, chosen, progress))
    except (OSError, ValueError, FloatingPointError) as error:
        sys.exit(f"evaluate: {console.failure(error)}")
    print(table(found))


def evaluate(
    given: argparse.Namespace, chosen: Sequence[str], progress: Progress | None
) -> Iterator[rows.Row]:
    """Measure reconstructions, then the samples of each prior; each row is written as soon as it is there.

    Raises:
        OSError: there is no such training, or data or weights are absent.
        ValueError: the model has no latents.
    """
    settings = draws.settings(chosen, given.overrides)
    training, judge = run.open(given.run), Judge(given, progress)
    model, real = training.model(), training.images.test.images[: given.samples]
    facts = rows.facts() | {
        "run": Path(given.run).name,
        "model": training.config.model,
        "data": training.data_name,
    }
    facts |= {"steps": int(training.state.step), "seed": given.seed}
    files = [Path(given.run) / "evaluation.jsonl", *([given.results] if given.results else [])]
    for what in (["reconstructions"] if hasattr(model, "encode") else []) + list(chosen):
        start = time.perf_counter()
        if what == "reconstructions":
            made = pictures.as_bytes(latents.reconstruct(model, real))
            labels = training.images.test.labels
            row: rows.Row = {"psnr_db": _psnr(real, made), "accuracy": judge.accuracy(made, labels)}
        else:
            drawn = draws.of_prior(
                training,
                model,
                what,
                len(real),
                config=settings.get(what),
                seed=given.seed,
                notify=progress,
            )
            made = pictures.as_bytes(drawn)
            asked = what == "none" and draws.is_conditional(training)
            row = {"accuracy": judge.accuracy(made, draws.labels(training, len(made)))} if asked else {}
        row |= {"what": what, "seconds": round(time.perf_counter() - start, 2)} | judge.classes(made)
        row["protocol"] = {"samples": len(made), "split": f"first {len(real)} of test"}
        if judge.weights and (what != "reconstructions" or given.reconstructions):
            row |= judge.distances(judge.weights, made, real)
            row["protocol"] = features.protocol(judge.weights, made, real, row["protocol"]["split"])
        row |= facts
        for file in files:
            rows.append(file, row)
        yield row


def table(measured: Sequence[rows.Row]) -> str:
    """Lay out rows, with the protocols of their figures below."""
    lines = [
        [row["run"], row["what"], *(markdown.number(row.get(name), form) for name, form in _COLUMNS.values())]
        for row in measured
    ]
    protocols = {f"protocol: {', '.join(f'{k} {v}' for k, v in row['protocol'].items())}" for row in measured}
    return "\n\n".join([markdown.table(["training", "images", *_COLUMNS], lines), *sorted(protocols)])


class Judge:
    """Compare images with real ones, and classify them."""

    def __init__(self, given: argparse.Namespace, progress: Progress | None) -> None:
        self.weights = None if given.no_features else inception.load(given.weights)
        self._progress = progress
        self._classifier = None
        if given.classifier:
            trained = run.open(given.classifier)
            if trained.module is not registry.get(models, "classifier"):
                raise ValueError(f"{given.classifier} is a {trained.config.model}, and no classifier")
            self._classifier = trained.model()

    def distances(
        self,
        weights: inception.Weights,
        made: UInt8[np.ndarray, "n h w c"],
        real: UInt8[np.ndarray, "m h w c"],
    ) -> rows.Row:
        """Compute FID, KID, precision and recall."""
        a, b = (features.of(weights, images, self._progress) for images in (real, made))
        precision, recall = fid.precision_recall(a, b)
        kid, deviation = fid.kid(a, b)
        found = {"fid": fid.frechet(a, b), "kid": kid, "kid_deviation": deviation}
        if weights.classes is not None:
            found["inception_score"], _ = fid.inception_score(inception.probabilities(weights, b))
        return {
            name: round(value, 6)
            for name, value in (found | {"precision": precision, "recall": recall}).items()
        }

    def classes(self, made: UInt8[np.ndarray, "n h w c"]) -> rows.Row:
        """Compute the mean entropy of the class of an image, and the entropy of their mean, in nats."""
        if self._classifier is None:
            return {}
        p = self._chances(made)
        return {"entropy": _entropy(p).mean().round(4), "classes_entropy": _entropy(p.mean(0)).round(4)}

    def accuracy(self, made: UInt8[np.ndarray, "n h w c"], labels: np.ndarray) -> float | None:
        """Tell which part of images is still taken for what it was."""
        if self._classifier is None:
            return None
        return float(np.mean(self._chances(made).argmax(1) == labels[: len(made)]))

    def _chances(self, images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n classes"]:
        logits = batches.apply(self._classifier, lambda model, x: model(x / 255), images).astype(np.float64)
        odds = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(odds / odds.sum(1, keepdims=True))


def _psnr(a: UInt8[np.ndarray, "n h w c"], b: UInt8[np.ndarray, "n h w c"]) -> float:
    """Average the PSNR of images, in dB."""
    return round(float(np.mean([metrics.psnr(*pair) for pair in zip(a, b, strict=True)])), 4)


def _entropy(p: Float[np.ndarray, "*n classes"]) -> Float[np.ndarray, "*n"]:
    return np.asarray(-np.sum(p * np.log(np.maximum(p, 1e-300)), axis=-1))


if __name__ == "__main__":
    main()
