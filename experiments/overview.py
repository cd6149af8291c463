"""Show all trainings side by side: python -m experiments.overview [--pictures FILE]

Prints a table of what `experiments.evaluate` and `experiments.likelihoods` measured, made of rows alone.
--pictures draws what the trainings in a folder drew last: test images over reconstructions, then samples.
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from dfm import image
from experiments import command, markdown, pictures, rows

ROWS = rows.RESULTS / "evaluate.jsonl"
LIKELIHOODS = rows.RESULTS / "likelihoods.jsonl"

_PRIORS = {
    "N(0, I)": ("normal",),
    "mixture": ("mixture",),
    "learned prior": ("diffusion", "flow"),
    "of itself": ("none",),
}
_COLUMNS = 3
_LABEL, _GAP, _FONT = 18, 12, 12  # pixels
_LINES = {"reconstructions": 2, "samples": 1}  # of a picture, from its top


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and draw pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=Path, default=ROWS, metavar="FILE", help="of the evaluations")
    parser.add_argument("--likelihoods", type=Path, default=LIKELIHOODS, metavar="FILE", help="of the bounds")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="of the trainings")
    parser.add_argument("--pictures", type=Path, metavar="FILE", help="gets the pictures, as PNG")
    given = parser.parse_args(arguments)
    print(table(rows.read(given.rows), rows.read(given.likelihoods)))
    if given.pictures:
        image.write(given.pictures, sheet(sorted(given.runs.iterdir())))


def table(measured: Sequence[rows.Row], bounded: Sequence[rows.Row]) -> str:
    """Lay out the newest figures of each training, MNIST first; of a prior, those of the most samples.

    Args:
        measured: rows of `experiments.evaluate`.
        bounded: rows of `experiments.likelihoods`.
    """
    lines = []
    for name in sorted({row["run"] for row in measured}, key=_order):
        own = [row for row in measured if row["run"] == name]
        own = [row for row in own if row["steps"] == own[-1]["steps"]]
        lines.append(
            [
                name,
                markdown.number(_last(own, "parameters"), ",d"),
                f"{own[-1]['steps']:,}",
                markdown.number(_last(own, "images_per_second"), ",.0f"),
                _of_most(own, ("reconstructions",), "psnr_db"),
                _surprise([row for row in bounded if (row["run"], row["steps"]) == (name, own[-1]["steps"])]),
                *(_of_most(own, priors, "fid") for priors in _PRIORS.values()),
            ]
        )
    header = ["training", "weights", "steps", "images/s", "PSNR dB", "-log p(x)"]
    return markdown.table([*header, *(f"FID, {name}" for name in _PRIORS)], lines)


def sheet(runs: Iterable[Path]) -> UInt8[np.ndarray, "height width 3"]:
    """Lay out the top of what each training drew last, each under its name.

    Raises:
        ValueError: none drew anything.
    """
    shown = [(run.name, strips) for run in runs if (strips := _strips(run))]
    if not shown:
        raise ValueError("no training there has pictures; make some with python -m experiments.train CONFIG")
    width = max(strip.width for _, strips in shown for strip in strips)
    height = max(sum(strip.height for strip in strips) for _, strips in shown)
    across, down = width + _GAP, _LABEL + height + _GAP
    page = Image.new("RGB", (_GAP + _COLUMNS * across, _GAP + -(-len(shown) // _COLUMNS) * down), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(_FONT)
    for i, (name, strips) in enumerate(shown):
        left, top = _GAP + i % _COLUMNS * across, _GAP + i // _COLUMNS * down
        pen.text((left, top), name, fill="black", font=font)
        top += _LABEL
        for strip in strips:
            page.paste(strip, (left, top))
            top += strip.height
    return np.asarray(page)


def _strips(run: Path) -> list[Image.Image]:
    """Cut the first lines off the last pictures of a training, of square images."""
    found = []
    for what, lines in _LINES.items():
        files = sorted((run / "pictures").glob(f"{what}_*.png"))
        if files:
            picture = Image.open(files[-1]).convert("RGB")
            found.append(picture.crop((0, 0, picture.width, picture.width // pictures.SIDE * lines)))
    return found


def _order(name: str) -> tuple[bool, str]:
    return not name.endswith("mnist"), name


def _last(own: Sequence[rows.Row], key: str) -> int | float | None:
    return next((row[key] for row in reversed(own) if row.get(key) is not None), None)


def _surprise(own: Sequence[rows.Row]) -> str:
    """Write the importance-weighted bound: in nats an image of black and white, else in bits a dimension."""
    if not own:
        return "–"
    if own[-1]["protocol"]["likelihood"] == "bernoulli":
        return f"{-own[-1]['iw_nats']:.1f} nats"
    return f"{own[-1]['iw_bits_per_dimension']:.2f} bits"


def _of_most(own: Sequence[rows.Row], what: Sequence[str], key: str) -> str:
    """Write the newest figure of the most images, in brackets where these are fewer than 10,000."""
    found = [row for row in own if row["what"] in what and key in row]
    if not found:
        return "–"
    last = max(reversed(found), key=lambda row: row["protocol"]["samples"])
    return f"{last[key]:.1f}" if last["protocol"]["samples"] >= 10_000 else f"({last[key]:.1f})"


if __name__ == "__main__":
    main()
