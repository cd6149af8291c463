"""Average, compare and draw rate-distortion curves given as rows of `compare.run`."""

import contextlib
import io
import math
import re
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from dfm import metrics

# hues of middle lightness, to be told apart on white and on black
PALETTE = (
    "#e8590c",
    "#1c7ed6",
    "#2b9348",
    "#ae3ec9",
    "#0ca5b9",
    "#d6336c",
    "#a88400",
    "#7560e0",
    "#868e96",
    "#845032",
)

_AVERAGED = ("bytes", "bpp", "psnr_db", "ssim", "ms_ssim", "encode_seconds", "decode_seconds")
_INK = "#010203"  # stands for the color of the page
_PANELS = {"psnr_db": "PSNR (dB)", "ssim": "SSIM", "ms_ssim": "MS-SSIM (dB: −10 log₁₀(1 − x))"}

Row = dict[str, Any]


def of(rows: Iterable[Row]) -> list[Row]:
    """Select the rows that are points of curves, and not files at equal bytes."""
    return [row for row in rows if "point" in row]


def unique(rows: Iterable[Row], key: str) -> list[Any]:
    """List the values of `key` in the order in which they first appear."""
    return list(dict.fromkeys(row[key] for row in rows))


def mean(rows: Sequence[Row]) -> list[Row]:
    """Average each point of each codec over the images; points that an image lacks are left out."""
    images = unique(rows, "image")
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in of(rows):
        groups.setdefault((row["codec"], row["point"]), []).append(row)
    return [_average(group, len(images)) for group in groups.values() if len(group) == len(images)]


def bd_rates(rows: Sequence[Row], reference: str) -> dict[str, list[float]]:
    """Give each codec's BD-rates in percent against `reference`, one an image where the curves overlap."""
    points = of(rows)
    return {codec: _bd_rates(points, reference, codec) for codec in unique(points, "codec")}


def colors(rows: Sequence[Row]) -> dict[str, str]:
    """Give each codec its color."""
    return {codec: PALETTE[i % len(PALETTE)] for i, codec in enumerate(unique(rows, "codec"))}


def figure(rows: Sequence[Row], palette: dict[str, str]) -> str:
    """Draw PSNR, SSIM and MS-SSIM over bits per pixel of one image, or of a mean, as SVG.

    Text and axes take the color of the page that the drawing lies in. Equal rows give an equal drawing.
    """
    import matplotlib
    from matplotlib.backends import backend_svg
    from matplotlib.figure import Figure

    style: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": f"dfm {unique(rows, 'image')}",
        "font.family": "sans-serif",
        "font.size": 10,
    }
    ink = dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _INK
    )
    with matplotlib.rc_context(style | ink):
        drawing = Figure(figsize=(12, 4.6), layout="constrained")
        backend_svg.FigureCanvasSVG(drawing)
        for axes, (key, label) in zip(drawing.subplots(1, 3), _PANELS.items(), strict=True):
            _draw(axes, rows, palette, key, label)
        handles, labels = drawing.axes[0].get_legend_handles_labels()
        drawing.legend(handles, labels, loc="outside lower center", ncols=9, frameon=False)
        buffer = io.StringIO()
        metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        drawing.savefig(buffer, format="svg", transparent=True, metadata=metadata)
    return buffer.getvalue().replace(_INK, "currentColor")


def inline(svg: str) -> str:
    """Cut a drawing down to what an HTML page needs: no addresses, and no ids that would come twice."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'\s(xmlns(:xlink)?|version)="[^"]*"', "", svg)
    return re.sub(r'<g id="[^"]*"', "<g", svg)


def _draw(axes: Any, rows: Sequence[Row], palette: dict[str, str], key: str, label: str) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    for codec in unique(rows, "codec"):
        points = [row for row in rows if row["codec"] == codec and row[key] is not None]
        values = [
            -10 * math.log10(max(1 - row[key], 1e-6)) if key == "ms_ssim" else row[key] for row in points
        ]
        name = next(row["label"] for row in rows if row["codec"] == codec)
        axes.plot(
            [row["bpp"] for row in points], values, marker="o", markersize=3, label=name, color=palette[codec]
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("bits per pixel")
    axes.set_title(label, fontsize=10)
    axes.grid(alpha=0.25, color=_INK, linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)


def _average(group: Sequence[Row], images: int) -> Row:
    first = group[0]
    means = {
        key: None if any(row[key] is None for row in group) else statistics.fmean(row[key] for row in group)
        for key in _AVERAGED
    }
    return {**first, **means, "image": f"mean of {images} images"}


def _bd_rates(points: Sequence[Row], reference: str, codec: str) -> list[float]:
    rates = []
    for name in unique(points, "image"):
        here = [row for row in points if row["image"] == name]
        curve, other = ([row for row in here if row["codec"] == c] for c in (reference, codec))
        with contextlib.suppress(ValueError):  # a curve that is not there, or that does not overlap
            rates.append(metrics.bd_rate(curve, other))
    return rates
