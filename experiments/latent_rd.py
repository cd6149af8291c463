"""Measure the latent codec's curves: python -m experiments.latent_rd CONFIG [key=value]

For each photo, a file at each lambda. Rows go to a JSON-lines file one by one; those that are there are not
measured again.
"""

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import dfm
from dfm import config, contestant, result
from experiments import kodak, rows


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


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing."""
    settings = config.command_line(Config, __doc__, arguments)
    try:
        entry = contestant.named(f"latent:{settings.preset}")
        facts = rows.facts()
        for name in settings.images:
            for lambda_ in settings.lambdas:
                price = Price(lambda_=lambda_)
                key = {"image": name, "codec": entry.name, "settings": dataclasses.asdict(price)}
                if rows.find(rows.read(settings.results), key) is None:
                    rows.append(settings.results, measure(name, entry, price) | facts)
    except (OSError, ValueError) as error:
        sys.exit(f"latent_rd: {error}")


def measure(name: str, entry: contestant.Contestant, price: Price) -> rows.Row:
    """Make a file, decode it, and tell its bytes, its quality and its seconds.

    Raises:
        ValueError: the preset cannot.
    """
    image = kodak.read(name)
    image = image.reshape(*image.shape[:2], -1)
    file = contestant.make(entry, image, price)
    row = result.measure(image, entry, file).row(name, {"split": dfm.info(file.data)["split"]})
    told = f"{name} lambda {price.lambda_:g}: {row['bytes']} bytes, {row['psnr_db']} dB"
    print(f"{told}, {row['encode_seconds']:.0f} s", file=sys.stderr, flush=True)
    return row


if __name__ == "__main__":
    main()
