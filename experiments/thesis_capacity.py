"""Repeat figure 5.1 of the thesis, PSNR over depth and width: python -m experiments.thesis_capacity CONFIG

Each network is a row of a JSON-lines file as soon as it is fitted, and is skipped when it is there. A table
and a heat map are made of the rows. Overrides of the config follow it as key=value.
"""

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfm import config
from dfm.codecs.coordinate.shape import Shape
from experiments import command, kodak, markdown, rows, thesis


@dataclass(frozen=True, kw_only=True)
class Config:
    """Name a photo and the grid of networks; `side` is that of the square cut from the photo's middle."""

    photo: str
    side: int
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    seeds: tuple[int, ...]
    steps: int
    results: str = str(rows.RESULTS / "thesis_capacity.jsonl")
    figure: str = ""


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Fit what is missing, print the table, and draw the figure."""
    settings = config.command_line(Config, __doc__, arguments)
    measure(settings)
    chosen = [row for row in rows.read(settings.results) if matches(row, settings)]
    print(table(chosen))
    if settings.figure:
        draw(chosen, settings.figure)


def measure(settings: Config) -> None:
    """Append a row for each width, depth and seed that has none yet.

    Raises:
        OSError: the photo is absent.
        ValueError: it is too small.
    """
    image = kodak.crop(settings.photo, settings.side)
    image = image.reshape(*image.shape[:2], -1)
    keys = [
        _setting(settings) | {"width": width, "depth": depth, "seed": seed}
        for seed, width, depth in itertools.product(settings.seeds, settings.widths, settings.depths)
    ]

    def fitted(key: rows.Row) -> rows.Row:
        shape = Shape(width=key["width"], depth=key["depth"], channels=image.shape[2])
        return thesis.measure(image, shape, settings.steps, key["seed"])

    rows.complete(settings.results, keys, fitted)


def matches(row: rows.Row, settings: Config) -> bool:
    """Tell whether a row belongs to the grid of `settings`."""
    axes = {"width": settings.widths, "depth": settings.depths, "seed": settings.seeds}
    return _setting(settings).items() <= row.items() and all(row[key] in axis for key, axis in axes.items())


def table(chosen: Sequence[rows.Row]) -> str:
    """Write mean PSNR and size of each network; a fit that diverged counts as no value."""
    header = ["width × depth", "weights", "size, % of raw", "PSNR dB", "spread dB", "seeds"]
    return markdown.table(header, [_cells(group) for group in _groups(chosen).values()])


def draw(chosen: Sequence[rows.Row], path: str) -> None:
    """Draw mean PSNR as a heat map over depth and width, with the size in percent of raw in each field."""
    from matplotlib.figure import Figure

    groups = _groups(chosen)
    widths, depths = (sorted({key[i] for key in groups}) for i in (0, 1))
    figure = Figure(figsize=(1.5 + 0.9 * len(widths), 1.2 + 0.6 * len(depths)), layout="constrained")
    axes = figure.subplots()
    means = [[_mean(groups.get((w, d), ())) for w in widths] for d in depths]
    values = [[float("nan") if v is None else v for v in line] for line in means]
    shade: Any = axes.imshow(values, origin="lower", aspect="auto", cmap="viridis")
    middle = sum(shade.get_clim()) / 2
    for (i, d), (j, w) in itertools.product(enumerate(depths), enumerate(widths)):
        if (mean := means[i][j]) is not None:
            text = f"{mean:.1f} dB\n{groups[w, d][0]['size_percent']:.2g} %"
            color = "black" if mean > middle else "white"
            axes.text(j, i, text, ha="center", va="center", fontsize=8, color=color)
    axes.set_xticks(range(len(widths)), [str(w) for w in widths])
    axes.set_yticks(range(len(depths)), [str(d) for d in depths])
    axes.set(xlabel="width", ylabel="depth", title="PSNR, and size in % of raw")
    figure.colorbar(shade, label="PSNR (dB)")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def _setting(settings: Config) -> dict[str, Any]:
    return {"photo": settings.photo, "side": settings.side, "steps": settings.steps}


def _groups(chosen: Sequence[rows.Row]) -> dict[tuple[int, int], list[rows.Row]]:
    groups: dict[tuple[int, int], list[rows.Row]] = {}
    for row in sorted(chosen, key=lambda row: (row["width"], row["depth"])):
        groups.setdefault((row["width"], row["depth"]), []).append(row)
    return groups


def _mean(group: Sequence[rows.Row]) -> float | None:
    values = [row["psnr_db"] for row in group if row["psnr_db"] is not None]
    return statistics.fmean(values) if values else None


def _cells(group: Sequence[rows.Row]) -> list[str]:
    first = group[0]
    values = [row["psnr_db"] for row in group if row["psnr_db"] is not None]
    spread = max(values) - min(values) if values else None
    return [
        f"{first['width']} × {first['depth']}",
        f"{first['parameters']:,}",
        markdown.number(first["size_percent"], ".2f"),
        markdown.number(_mean(group), ".2f"),
        markdown.number(spread, ".2f"),
        f"{len(values)} of {len(group)}",
    ]


if __name__ == "__main__":
    main()
