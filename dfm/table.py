"""Lay the rows of `compare.run` out as tables, and print them."""

import statistics
import sys
from collections.abc import Sequence
from typing import Any

from dfm import curves

COLUMNS = ("codec", "settings", "bytes", "bpp", "PSNR dB", "SSIM", "MS-SSIM", "encode s", "decode s")

_FORMATS = {
    "bytes": "{:,}",
    "bpp": "{:.3f}",
    "psnr_db": "{:.2f}",
    "ssim": "{:.4f}",
    "ms_ssim": "{:.4f}",
    "encode_seconds": "{:.3f}",
    "decode_seconds": "{:.3f}",
}
_PIPE_WIDTH = 160

Row = dict[str, Any]


def shown(rows: Sequence[Row], name: str) -> list[Row]:
    """Select the files at equal bytes of the image `name`."""
    return [row for row in rows if row["image"] == name and "budget_bytes" in row]


def cells(row: Row) -> list[str]:
    """Write one row under `COLUMNS`; a file over the budget is marked, and no loss is an infinite PSNR."""
    settings = ", ".join(_setting(key, value) for key, value in row["settings"].items())
    texts = {key: "–" if row[key] is None else form.format(row[key]) for key, form in _FORMATS.items()}
    if row["psnr_db"] is None:
        texts["psnr_db"] = "∞"
    if row["bytes"] > row.get("budget_bytes", row["bytes"]):
        texts["bytes"] += " (over)"
    return [row["label"], settings, *texts.values()]


def _setting(name: str, value: Any) -> str:
    """Write words alone, and numbers with their name."""
    if isinstance(value, str):
        return value
    return f"{name.replace('_', ' ')} {f'{value:,}' if isinstance(value, int) else f'{value:.4g}'}"


def bd_rates(rows: Sequence[Row]) -> tuple[str, list[tuple[str, str]]]:
    """Give the label of the reference, JPEG 4:2:0 or else the first codec, and the others with BD-rates."""
    points = curves.of(rows)
    labels = {row["codec"]: row["label"] for row in points}
    if not labels:
        return "", []
    reference = "jpeg" if "jpeg" in labels else next(iter(labels))
    images = len(curves.unique(points, "image"))
    texts = {codec: _rate(rates, images) for codec, rates in curves.bd_rates(points, reference).items()}
    return labels[reference], [(labels[codec], text) for codec, text in texts.items() if codec != reference]


def _rate(rates: Sequence[float], images: int) -> str:
    if not rates:
        return "no common PSNR"
    text = f"{statistics.fmean(rates):+.1f} %"
    return text if len(rates) == images else f"{text} ({len(rates)} of {images} images)"


def show(rows: Sequence[Row], notes: Sequence[str]) -> None:
    """Print a table of the files at equal bytes for each image, then the BD-rates, then the notes."""
    from rich import box, console, table

    out = console.Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False, markup=False)
    for name in curves.unique(rows, "image"):
        files = shown(rows, name)
        if files:
            out.print(f"{name}, at most {files[0]['budget_bytes']:,} bytes")
            grid = table.Table(box=box.SIMPLE_HEAD)
            for i, column in enumerate(COLUMNS):
                grid.add_column(column, justify="right" if i > 1 else "left")
            for row in files:
                grid.add_row(*cells(row))
            out.print(grid)
    reference, rates = bd_rates(rows)
    if rates:
        out.print(f"Bytes at equal PSNR, against {reference}")
        grid = table.Table(box=box.SIMPLE_HEAD)
        grid.add_column("codec")
        grid.add_column("BD-rate", justify="right")
        for label, text in rates:
            grid.add_row(label, text)
        out.print(grid)
    for note in notes:
        out.print(note)
