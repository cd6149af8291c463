"""Write comparisons as one HTML file that needs no network: viewer, tables, curves."""

import base64
import html
import importlib.resources
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from dfm import curves, image, result, table

MAX_SIDE = 2048

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Hold an image and what codecs made of it at `budget_bytes`, as far as they could."""

    name: str
    original: UInt8[np.ndarray, "h w c"]
    budget_bytes: int
    results: list[result.Result] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Report:
    """Hold all that a page shows: `rows` as `compare.run` gives them, and `notes` on what is left out."""

    title: str = "Image codecs compared"
    command: str
    machine: str
    pictures: list[Picture] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def write(folder: Path, report: Report) -> None:
    """Write report.html, rows.jsonl and, where there are curves, curves.svg into `folder`.

    Raises:
        OSError: they cannot be written.
    """
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in report.rows)
    image.write_bytes(folder / "rows.jsonl", lines.encode(errors="backslashreplace"))
    if curves.of(report.rows):
        image.write_bytes(
            folder / "curves.svg", curves.figure(curves.mean(report.rows), _colors(report)).encode()
        )
    image.write_bytes(folder / "report.html", page(report).encode(errors="backslashreplace"))


def page(report: Report) -> str:
    """Make the HTML page; it shows the middle of images over 2048 pixels a side."""
    template = importlib.resources.files("dfm").joinpath("report.html").read_text("utf-8")
    parts = {
        "title": html.escape(report.title),
        "options": "".join(f"<option>{html.escape(picture.name)}</option>" for picture in report.pictures),
        "files": "".join(_files(picture, report) for picture in report.pictures),
        "mean": _mean(report),
        "rates": _rates(*table.bd_rates(report.rows)),
        "notes": "".join(f"<li>{html.escape(note)}</li>" for note in report.notes),
        "command": html.escape(report.command),
        "machine": html.escape(report.machine),
        "data": _data(report),
    }
    for name, text in parts.items():
        template = template.replace(f"<!--{name}-->", text)
    return template


def _files(picture: Picture, report: Report) -> str:
    """Write what belongs to one picture: its table at equal bytes and its curves."""
    height, width = picture.original.shape[:2]
    facts = {"budget_bytes": picture.budget_bytes}
    grid = _table(table.COLUMNS, [table.cells(r.row(picture.name, facts)) for r in picture.results])
    caption = f"{picture.name}, {width} × {height} pixels: files of at most {picture.budget_bytes:,} bytes"
    here = [row for row in curves.of(report.rows) if row["image"] == picture.name]
    return f'<section class="picture"><h2>{html.escape(caption)}</h2>{grid}{_drawing(here, report)}</section>'


def _mean(report: Report) -> str:
    """Draw the mean of several pictures, if each has files."""
    rows = curves.mean(report.rows)
    if not rows or len(curves.unique(report.rows, "image")) < max(2, len(report.pictures)):
        return ""
    return f"<h2>Mean over {len(report.pictures)} images</h2>{_drawing(rows, report)}"


def _rates(reference: str, rates: Sequence[tuple[str, str]]) -> str:
    if not rates:
        return ""
    title = html.escape(f"Bytes at equal PSNR, against {reference}")
    return f"<h2>{title}</h2>{_table(('codec', 'BD-rate'), rates)}"


def _drawing(rows: Sequence[Row], report: Report) -> str:
    if not rows:
        return ""
    label = html.escape(f"Quality over bits per pixel: {rows[0]['image']}")
    drawing = curves.inline(curves.figure(rows, _colors(report)))
    return f'<div class="curves" role="img" aria-label="{label}">{drawing}</div>'


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in header)
    body = ""
    for first, *rest in rows:
        body += f'<tr><th scope="row">{html.escape(first)}</th>'
        body += "".join(f"<td>{html.escape(text)}</td>" for text in rest) + "</tr>"
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _colors(report: Report) -> dict[str, str]:
    """Give each codec one color for the whole page."""
    shown = [r.row(picture.name, {}) for picture in report.pictures for r in picture.results]
    return curves.colors([*report.rows, *shown])


def _data(report: Report) -> str:
    """Give the pictures to the page's script, as JSON in which no tag can begin or end."""
    colors = _colors(report)
    data = [
        {
            "original": _uri(picture.original),
            "scope": _scope(picture.original),
            "results": [
                {"label": r.label, "color": colors[r.codec], "facts": _facts(r), "image": _uri(r.decoded)}
                for r in picture.results
            ],
        }
        for picture in report.pictures
    ]
    return json.dumps(data).replace("<", "\\u003c")


def _facts(r: result.Result) -> str:
    _, _, n_bytes, bpp, psnr, _, ms_ssim, *_ = table.cells(r.row("", {}))
    return f"{n_bytes} bytes, {bpp} bits per pixel, PSNR {psnr} dB, MS-SSIM {ms_ssim}"


def _scope(pixels: UInt8[np.ndarray, "h w c"]) -> str:
    """Say which pixels the viewer has."""
    height, width, channels = pixels.shape
    whole = max(height, width) <= MAX_SIDE
    part = "These pixels" if whole else f"The middle {min(width, MAX_SIDE)} × {min(height, MAX_SIDE)} pixels"
    return f"{part} on gray" if channels in (2, 4) else part


def _uri(pixels: UInt8[np.ndarray, "h w c"]) -> str:
    """Give the middle of an image as a data URI without loss."""
    top, left = (max(0, (side - MAX_SIDE) // 2) for side in pixels.shape[:2])
    middle = pixels[top : top + MAX_SIDE, left : left + MAX_SIDE]
    data = image.pack(middle, "WEBP")
    return f"data:image/webp;base64,{base64.b64encode(data).decode()}"
