"""Hold the thesis's network of 18 % of raw against JPEG: python -m experiments.thesis_jpeg CONFIG

On each photo, the largest network whose float32 weights take at most that share of the raw image, and the
best JPEG file of no more bytes. Each photo is a row of a JSON-lines file as soon as it is measured, and is
skipped when it is there. Overrides of the config follow it as key=value.
"""

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from dfm import config, contestant, result
from dfm.codecs.coordinate import shape
from experiments import command, kodak, markdown, rows, thesis

JPEGS = ("jpeg", "jpeg:4:4:4", "jpeg:flat")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Name the photos, of which a square of `side` pixels is cut, and the `share` of their raw bytes."""

    photos: tuple[str, ...]
    side: int
    steps: int
    share: float = 0.18
    seed: int = 0
    results: str = str(rows.RESULTS / "thesis_jpeg.jsonl")


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing, and print the table."""
    settings = config.command_line(Config, __doc__, arguments)
    measure(settings)
    print(table([row for row in rows.read(settings.results) if _setting(settings).items() <= row.items()]))


def measure(settings: Config) -> None:
    """Append the rows of each photo that has none yet.

    Raises:
        OSError: a photo is absent.
        ValueError: it is too small, or no network is.
    """
    facts = rows.facts()
    done = rows.read(settings.results)
    for photo in settings.photos:
        key = {"image": photo} | _setting(settings)
        if rows.find(done, key) is not None:
            continue
        image = kodak.crop(photo, settings.side)
        row = compare(image.reshape(*image.shape[:2], -1), settings)
        rows.append(settings.results, key | row | facts)
        print(f"{photo}: {row['psnr_db']} dB, JPEG {row['jpeg']['psnr_db']} dB", file=sys.stderr, flush=True)


def compare(image: UInt8[np.ndarray, "h w c"], settings: Config) -> dict[str, Any]:
    """Measure the network, and the JPEG variant with the highest PSNR in no more bytes.

    Raises:
        ValueError: no network is as small as the share of the image.
    """
    most = settings.share * image.size * 8 / thesis.BITS
    network = shape.largest(most, image.shape[2])
    if network is None:
        raise ValueError(
            f"a share of {settings.share} is {most:.0f} weights, and no network has so few; raise it"
        )
    row = thesis.measure(image, network, settings.steps, settings.seed)
    entries = [contestant.named(name) for name in JPEGS]
    budget = row["bytes"] or round(most) * thesis.BITS // 8
    tried = [result.measure(image, entry, contestant.fit(entry, image, budget)) for entry in entries]
    best = max((jpeg for jpeg in tried if len(jpeg.data) <= budget), key=lambda jpeg: jpeg.psnr_db)
    return row | {"width": network.width, "depth": network.depth, "jpeg": best.row("", {})}


def table(chosen: Sequence[rows.Row]) -> str:
    """Write PSNR and bytes of each photo, and the mean of the differences."""
    header = [
        "photo",
        "network",
        "steps",
        "bytes",
        "PSNR dB",
        "JPEG bytes",
        "JPEG PSNR dB",
        "network − JPEG, dB",
    ]
    gains = [row["psnr_db"] - row["jpeg"]["psnr_db"] for row in chosen if row["psnr_db"] is not None]
    mean = ["mean", *[""] * 6, markdown.number(statistics.fmean(gains) if gains else None, "+.2f")]
    return markdown.table(header, [*map(_cells, chosen), mean])


def _setting(settings: Config) -> dict[str, Any]:
    names = ("side", "share", "steps", "seed")
    return {name: getattr(settings, name) for name in names}


def _cells(row: rows.Row) -> list[str]:
    jpeg, psnr = row["jpeg"], row["psnr_db"]
    return [
        row["image"],
        f"width {row['width']}, depth {row['depth']}",
        markdown.number(row["steps"], ","),
        markdown.number(row["bytes"], ","),
        markdown.number(psnr, ".2f"),
        markdown.number(jpeg["bytes"], ","),
        markdown.number(jpeg["psnr_db"], ".2f"),
        markdown.number(None if psnr is None else psnr - jpeg["psnr_db"], "+.2f"),
    ]


if __name__ == "__main__":
    main()
