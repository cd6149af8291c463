"""Measure what a trained model makes: python -m experiments.evaluate DIR [--priors a,b] [a.key=value ...]

For each prior over its latents, samples are compared with as many test images: FID, KID, precision and recall
by Inception's features, and what a classifier sees in them. Reconstructions are measured too. Rows go to
DIR/evaluation.jsonl, and to a file of your choice.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
from flax import nnx

from dfm import console, registry
from dfm.api import Progress
from experiments import command, draws, features, inception, latents, markdown, pictures, rows, run
from experiments.judge import Judge
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


@command.one_line_errors
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
    with console.progress() as progress:
        found = list(evaluate(given, chosen, progress))
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
    weights = None if given.no_features else inception.load(given.weights)
    training, judge = run.open(given.run), Judge(weights, given.classifier, progress)
    model, real = training.model(), training.images.test.images[: given.samples]
    facts = rows.facts() | {
        "run": Path(given.run).name,
        "model": training.config.model,
        "data": training.data_name,
    }
    facts |= {"steps": int(training.state.step), "seed": given.seed, "settings": training.config.settings}
    told = rows.find(rows.read(training.folder / "metrics.jsonl"), {}) or {}
    facts |= {"parameters": _parameters(model), "images_per_second": told.get("images_per_second")}
    files = command.files(given, "evaluation")
    for what in (["reconstructions"] if hasattr(model, "encode") else []) + list(chosen):
        start = time.perf_counter()
        if what == "reconstructions":
            made = pictures.as_bytes(latents.reconstruct(model, real))
            labels = training.images.test.labels
            row: rows.Row = {
                "psnr_db": pictures.mean_psnr(real, made),
                "accuracy": judge.accuracy(made, labels),
            }
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


def _parameters(model: Any) -> int:
    return sum(x.size for x in jax.tree.leaves(nnx.state(model, nnx.Param)))


if __name__ == "__main__":
    main()
