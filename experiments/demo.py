"""Compress the bundled photo and show it beside other codecs: python -m experiments.demo OUTDIR

Writes chelsea.dfm, what it decodes to as decoded.png, report.html with a slider, picture.png, and rows.jsonl.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

import dfm
from dfm import compare, console, contestant, image, report, result
from dfm import table as layout
from experiments import command, markdown, rows, strip

PHOTO = Path(__file__).parent / "photos" / "chelsea.png"
CODEC, PRESET = "latent", "fast"
OTHERS = ("jpeg", "jpeg:flat", "webp", "avif")
MAX_BYTES = 2000
COLUMNS = ("codec", "bytes", "bpp", "PSNR dB", "MS-SSIM")


@command.one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    """Run the demo on the bundled photo."""
    parser = argparse.ArgumentParser(prog="python -m experiments.demo", description=__doc__)
    parser.add_argument(
        "outdir", type=Path, metavar="OUTDIR", help="made if need be; old results are replaced"
    )
    folder = parser.parse_args(argv).outdir
    run(PHOTO, folder, MAX_BYTES)


def run(photo: Path, folder: Path, max_bytes: int) -> list[result.Result]:
    """Compress `photo` by all codecs to at most `max_bytes`, print a table, and write a report into `folder`.

    Raises:
        OSError: the photo cannot be read, or the folder not be written.
        ValueError: `max_bytes` is too few for the network.
    """
    original = image.read(photo)
    folder.mkdir(parents=True, exist_ok=True)
    coded = folder / f"{photo.stem}.dfm"
    what = f"{photo.name} ({console.shape(*original.shape)})"
    _say(f"Fitting latents and Fourier layers to {what}: a minute or two on 2 idle cores")
    seconds = encode(original, coded, max_bytes)
    decoded = dfm.decode(coded.read_bytes())
    image.write(folder / "decoded.png", decoded)
    _say("Making JPEG, WebP and AVIF files of the same size")
    results = measure(original, coded, seconds, max_bytes)
    name, budget = photo.name, {"budget_bytes": max_bytes}
    facts = rows.facts()
    page = report.Report(
        title=f"{photo.stem.capitalize()} in at most {max_bytes:,} bytes",
        command=facts["command"],
        machine=facts["machine"],
        pictures=[report.Picture(name=name, original=original, results=results, **budget)],
        rows=[r.row(name, facts | budget) for r in results],
        notes=[verdict(results, max_bytes)],
    )
    report.write(folder, page)
    image.write(folder / "picture.png", strip.draw(original, results))
    show(page)
    print(f"The file: {coded}\nOpen in a browser, with a slider: {folder / 'report.html'}")
    return results


def encode(original: UInt8[np.ndarray, "h w *c"], path: Path, max_bytes: int) -> float:
    """Write a .dfm file of at most `max_bytes`, and give the seconds that it took."""
    start = time.perf_counter()
    with console.progress() as progress:
        data = dfm.encode(original, CODEC, PRESET, max_bytes=max_bytes, progress=progress)
    seconds = time.perf_counter() - start
    image.write_bytes(path, data)
    return seconds


def measure(
    original: UInt8[np.ndarray, "h w c"], path: Path, seconds: float, max_bytes: int
) -> list[result.Result]:
    """Measure the .dfm file that lies on the disk, then the other codecs, each at the same budget."""
    setting = contestant.Budget(max_bytes=max_bytes)
    file = contestant.File(setting=setting, data=path.read_bytes(), seconds=seconds)
    ours = result.measure(original, contestant.named(f"{CODEC}:{PRESET}"), file)
    return [ours, *compare.equal_bytes(original, max_bytes, OTHERS)]


def cells(row: rows.Row) -> list[str]:
    """Write one row under `COLUMNS`."""
    texts = dict(zip(layout.COLUMNS, layout.cells(row), strict=True))
    return [texts[column] for column in COLUMNS]


def table(measured: Sequence[rows.Row]) -> str:
    """Lay out rows for a document."""
    return markdown.table(COLUMNS, map(cells, measured))


def verdict(results: Sequence[result.Result], max_bytes: int) -> str:
    """Rank the files of at most `max_bytes` by PSNR, and name the codecs that have none so small."""
    within = sorted((r for r in results if len(r.data) <= max_bytes), key=lambda r: -r.psnr_db)
    over = [r.label for r in results if len(r.data) > max_bytes]
    ranked = ", ".join(f"{r.label} {r.psnr_db:.2f} dB" for r in within)
    rest = f" No file so small: {', '.join(over)}." if over else ""
    return f"Best first, in at most {max_bytes:,} bytes: {ranked}.{rest}"


def show(page: report.Report) -> None:
    """Print the table and its notes."""
    from rich import box
    from rich import console as terminal
    from rich import table as grids

    grid = grids.Table(box=box.SIMPLE_HEAD)
    for i, column in enumerate(COLUMNS):
        grid.add_column(column, justify="right" if i else "left")
    for row in page.rows:
        grid.add_row(*cells(row))
    out = terminal.Console(highlight=False, markup=False)
    out.print(grid)
    for note in page.notes:
        out.print(note)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
