"""Measure the latent codec's curves: python -m experiments.latent_rd CONFIG [key=value]

For each photo, a file at each lambda. Rows go to a JSON-lines file one by one; those that are there are not
measured again. Prints means at each lambda, against JPEG, WebP and AVIF.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import dfm
from dfm import config, contestant, result
from experiments import command, kodak, rate_tables, rows


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose photos, lambdas, and a preset."""

    images: tuple[str, ...]
    lambdas: tuple[float, ...]
    preset: str
    results: str = str(rows.RESULTS / "latent_rd.jsonl")


@dataclass(frozen=True, kw_only=True)
class Price:
    """Be the setting of a file: lambda of MSE + lambda * bits per pixel."""

    lambda_: float


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing, and print the table."""
    settings = config.command_line(Config, __doc__, arguments)
    entry = contestant.named(f"latent:{settings.preset}")
    keys = [
        {"image": name, "codec": entry.name, "settings": {"lambda_": lambda_}}
        for name in settings.images
        for lambda_ in settings.lambdas
    ]
    measured = rows.complete(settings.results, keys, lambda key: measure(entry, key))
    classic = rows.read(rows.RESULTS / "baselines.jsonl")
    print(rate_tables.by_lambda(measured, rate_tables.references(classic)))


def measure(entry: contestant.Contestant, key: rows.Row) -> rows.Row:
    """Make a file, decode it, and tell its bytes, its quality and its seconds.

    Raises:
        ValueError: the preset cannot.
    """
    image = kodak.read(key["image"])
    image = image.reshape(*image.shape[:2], -1)
    file = contestant.make(entry, image, Price(**key["settings"]))
    return result.measure(image, entry, file).row(key["image"], {"split": dfm.info(file.data)["split"]})


if __name__ == "__main__":
    main()
