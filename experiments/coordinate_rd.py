"""Measure the coordinate codec against COIN's SIREN: python -m experiments.coordinate_rd CONFIG [key=value]

For each photo, files at each budget of bytes, then SIRENs of COIN's shapes, each trained for the seconds that
the codec took at the nearest budget, in the same run. Rows go to a JSON-lines file one by one; those that are
there are not measured again.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from dfm import config, contestant, metrics, result
from experiments import command, kodak, rows, siren


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose photos, budgets in bytes, a preset, and shapes of SIREN, such as "5x20" for 5 layers of 20."""

    images: tuple[str, ...]
    budgets: tuple[int, ...]
    preset: str
    shapes: tuple[str, ...]
    learning_rate: float = siren.DEFAULT.learning_rate
    batch: int = siren.DEFAULT.batch
    results: str = str(rows.RESULTS / "coordinate_rd.jsonl")

    @property
    def codec(self) -> str:
        """Name the codec with its preset."""
        return f"coordinate:{self.preset}"


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing."""
    settings = config.command_line(Config, __doc__, arguments)
    facts = rows.facts()
    for name in settings.images:
        image = kodak.read(name)
        image = image.reshape(*image.shape[:2], -1)
        for budget in settings.budgets:
            code(image, {"image": name, "codec": settings.codec, "budget_bytes": budget}, settings, facts)
        for text in settings.shapes:
            key = {"image": name, "codec": "siren", "shape": text, "beside": settings.codec}
            train(image, key, settings, facts)


def code(image: UInt8[np.ndarray, "h w c"], key: rows.Row, settings: Config, facts: rows.Row) -> None:
    """Add the row of a file of the codec at a budget, unless it is there.

    Raises:
        ValueError: the codec cannot meet the budget.
    """
    if rows.find(rows.read(settings.results), key) is None:
        entry = contestant.named(key["codec"])
        file = contestant.make(entry, image, contestant.Budget(max_bytes=key["budget_bytes"]))
        _add(settings, result.measure(image, entry, file).row(key["image"], key | facts))


def train(image: UInt8[np.ndarray, "h w c"], key: rows.Row, settings: Config, facts: rows.Row) -> None:
    """Add the row of a SIREN that trains as long as the codec did, unless it is there.

    Raises:
        ValueError: the shape is no shape, or the codec has made no file of this image.
    """
    trainer = siren.Config(settings.learning_rate, settings.batch)
    key = key | trainer._asdict()
    if rows.find(rows.read(settings.results), key) is not None:
        return
    seconds = seconds_for(image, key, settings)
    fitted = siren.fit(image, siren.shape(key["shape"]), seconds, trainer)
    figures = {
        "label": f"SIREN {key['shape']}",
        "bytes": fitted.n_bytes,
        "bpp": round(metrics.bits_per_pixel(fitted.n_bytes, image.shape), 6),
        "psnr_db": round(siren.psnr(image, fitted), 4),
        "steps": fitted.steps,
        "seconds_given": seconds,
        "encode_seconds": round(fitted.seconds, 4),
    }
    _add(settings, key | figures | facts)


def seconds_for(image: UInt8[np.ndarray, "h w c"], key: rows.Row, settings: Config) -> float:
    """Give the seconds that the codec took for the file of this image nearest in bytes to a SIREN.

    Raises:
        ValueError: there is no such file.
    """
    n_bytes = 2 * siren.shape(key["shape"]).parameters(image.shape[2])
    wanted = {"image": key["image"], "codec": key["beside"]}
    files = [row for row in rows.read(settings.results) if wanted.items() <= row.items()]
    if not files:
        raise ValueError(f"no file of {key['image']} was made; give budgets")
    nearest = min(files, key=lambda row: abs(math.log(row["bytes"] / n_bytes)))
    return float(nearest["encode_seconds"])


def _add(settings: Config, row: rows.Row) -> None:
    rows.append(settings.results, row)
    told = f"{row['image']} {row['label']}: {row['bytes']} bytes, {row['psnr_db']} dB"
    print(f"{told}, {row['encode_seconds']:.1f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
