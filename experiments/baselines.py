"""Measure the classic codecs on Kodak: python -m experiments.baselines [--images N ...] [--codecs A ...]

Each file is a row of experiments/results/baselines.jsonl; curves that are there are skipped. Six photos take
half an hour on 2 cores. Bytes and quality depend on Pillow's libraries alone, seconds on the machine and its
other work. JPEG XL needs its plugin: pip install "dfm[jxl]".
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dfm import compare, contestant, table
from experiments import command, kodak, rows

CODECS = ("jpeg", "jpeg:4:4:4", "jpeg:flat", "webp", "jpeg2000", "avif", "avif:4:2:0", "jpegxl")
RESULTS = rows.RESULTS / "baselines.jsonl"


@command.one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    """Measure what is missing, and print the BD-rates."""
    parser = argparse.ArgumentParser(prog="python -m experiments.baselines", description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=kodak.SIX, metavar="N", help="1 to 24")
    parser.add_argument("--codecs", nargs="+", default=CODECS, metavar="A", help="as of dfm compare")
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="FILE", help="JSON lines")
    args = parser.parse_args(argv)
    notes = measure(args.images, args.codecs, args.output)
    table.show(rows.read(args.output), notes)


def measure(images: Sequence[int], codecs: Sequence[str], output: Path) -> list[str]:
    """Add the rows of the curves that `output` lacks; tell which settings a codec refused, and why.

    Raises:
        OSError: a photo cannot be read, or `output` not be written.
        ValueError: there is no such photo or codec.
    """
    photos = kodak.paths(images)
    entries = [contestant.named(name) for name in codecs]
    facts = rows.facts()
    done = rows.read(output)
    notes: list[str] = []
    for photo in photos:
        original = kodak.read(photo.stem)
        for entry in entries:
            if rows.find(done, {"image": photo.stem, "codec": entry.name}) is not None:
                continue
            print(f"{photo.stem}: {entry.label}", file=sys.stderr, flush=True)
            points, refusals = compare.curve(original, entry)
            for i, point in points.items():
                rows.append(output, point.row(photo.stem, facts | {"point": i}))
            notes += [note for note in refusals + compare.setbacks(points.values()) if note not in notes]
    return notes


if __name__ == "__main__":
    main()
