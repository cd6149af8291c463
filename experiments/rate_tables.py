"""Lay out what files take: bytes against PSNR, seconds, and both against other codecs."""

import csv
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from dfm import metrics
from experiments import kodak, markdown, rows

LEVELS = range(20, 27)  # dB

_CLASSIC = "jpeg", "webp", "avif", "avif:strongest"

Rows = Sequence[rows.Row]


def files(ours: Rows) -> str:
    """Average what was measured at each budget over the images."""
    header = ["at most, bytes", "images", "bytes", "PSNR dB", "least PSNR dB", "encode s", "decode s"]
    groups = [
        [row for row in ours if row["budget_bytes"] == n] for n in sorted({r["budget_bytes"] for r in ours})
    ]
    return markdown.table(header, [_averages(group) for group in groups])


def by_lambda(ours: Rows, references: Mapping[str, Rows]) -> str:
    """Average over images, at each lambda, what was measured, and bytes against those at equal PSNR."""
    header = ["lambda", "images", "bytes", "of them weights", "PSNR dB", "encode s", "decode s"]
    lines = []
    for lambda_ in sorted({row["settings"]["lambda_"] for row in ours}):
        group = [row for row in ours if row["settings"]["lambda_"] == lambda_]
        columns = [
            [row["bytes"] for row in group],
            [row["split"]["weights"] for row in group],
            *([row[key] for row in group] for key in ("psnr_db", "encode_seconds", "decode_seconds")),
        ]
        forms = (",.0f", ",.0f", ".2f", ".0f", ".1f")
        means = [markdown.number(_mean(column), form) for column, form in zip(columns, forms, strict=True)]
        more = [_percent(excess(group, r)) for r in references.values()]
        lines.append([f"{lambda_:g}", str(len(group)), *means, *more])
    return markdown.table([*header, *(f"against {label}, %" for label in references)], lines)


def bd_rates(ours: Rows, references: Mapping[str, Rows]) -> str:
    """Hold each image against the curves of other codecs; the mean is over images that all have."""
    columns = [_bd_rates(ours, r) for r in references.values()]
    names = sorted(values(ours, "image"))
    lines = [[name, *(_percent(column[name]) for column in columns)] for name in names]
    means = ["mean", *(_percent(_mean(column.values())) for column in columns)]
    return markdown.table(["image", *(f"against {label}, %" for label in references)], [*lines, means])


def presets(ours: Rows, references: Mapping[str, Rows]) -> str:
    """Average BD-rates over images for each preset, and tell the seconds of its files."""
    lines = []
    for codec in values(ours, "codec"):
        group = of(ours, "codec", codec)
        lines.append(
            [
                codec.partition(":")[2],
                str(len(group)),
                _span(row["encode_seconds"] for row in group),
                *(_percent(_mean(_bd_rates(group, r).values())) for r in references.values()),
            ]
        )
    header = ["preset", "files", "seconds each"]
    return markdown.table([*header, *(f"against {label}, %" for label in references)], lines)


def equal_psnr(ours: Rows, jpegs: Rows) -> str:
    """Divide our bytes by those of the JPEG variant with fewest, at each level of PSNR up to 26 dB.

    A curve below its smallest file counts as that file; "–" stands for a PSNR beyond a curve's largest.
    """
    names = sorted(values(ours, "image"))
    lines = []
    for level in LEVELS:
        ratios = [_ratio(of(ours, "image", n), of(jpegs, "image", n), level) for n in names]
        lines.append([f"{level} dB", *map(_share, ratios), _share(_mean(ratios))])
    return markdown.table(["PSNR", *names, "mean"], lines)


def published(ours: Rows, path: Path) -> str:
    """Compare the means at each budget over all of Kodak with COIN's; they mean nothing over fewer photos."""
    with open(path, encoding="utf-8") as file:
        lines = csv.DictReader((line for line in file if not line.startswith("#")), delimiter="\t")
        coin = [{"bpp": float(line["bpp"]), "psnr_db": float(line["psnr_db"])} for line in lines]
    curve = []
    for budget in values(ours, "budget_bytes"):
        group = of(ours, "budget_bytes", budget)
        if {row["image"] for row in group} == set(kodak.NAMES):
            curve.append({key: statistics.fmean(row[key] for row in group) for key in ("bpp", "psnr_db")})
    if len(curve) < 2:
        found = len(values(ours, "image"))
        return f"Not measured: it needs two budgets on all {len(kodak.NAMES)} photos; {found} are there."
    return f"BD-rate of the mean curve: {_percent(_bd_rate(coin, curve))} %"


def bytes_at(curve: Rows, psnr: float) -> float | None:
    """Interpolate log bytes over PSNR in dB; below the smallest file, its bytes; beyond the best, None."""
    points: list[tuple[float, int]] = []
    for row in sorted(curve, key=lambda row: (row["bytes"], -row["psnr_db"])):
        if not points or row["psnr_db"] > points[-1][0]:
            points.append((row["psnr_db"], row["bytes"]))
    if not points or psnr > points[-1][0]:
        return None
    return math.exp(np.interp(psnr, [p for p, _ in points], [math.log(n) for _, n in points]))


def excess(ours: Rows, others: Rows) -> float | None:
    """Average how many percent more bytes files take than others' at their PSNR; None where one has none."""
    theirs = [bytes_at(of(others, "image", row["image"]), row["psnr_db"]) for row in ours]
    return _mean(n and 100 * (row["bytes"] / n - 1) for row, n in zip(ours, theirs, strict=True))


def _ratio(ours: Rows, jpegs: Rows, psnr: float) -> float | None:
    mine = bytes_at(ours, psnr)
    others = [bytes_at(of(jpegs, "label", label), psnr) for label in values(jpegs, "label")]
    found = [n for n in others if n is not None]
    return mine / min(found) if mine is not None and found else None


def _bd_rates(ours: Rows, reference: Rows) -> dict[str, float | None]:
    images = values(ours, "image")
    return {name: _bd_rate(of(reference, "image", name), of(ours, "image", name)) for name in images}


def _bd_rate(reference: Rows, ours: Rows) -> float | None:
    try:
        return metrics.bd_rate(reference, ours)
    except ValueError:
        return None


def _mean(values: Iterable[float | None]) -> float | None:
    """Average; None where any value is absent, since a mean over the easy images would flatter."""
    known = list(values)
    numbers = [v for v in known if v is not None]
    return statistics.fmean(numbers) if numbers and len(numbers) == len(known) else None


def _span(values: Iterable[float | None]) -> str:
    numbers = sorted(v for v in values if v is not None)
    return " to ".join(dict.fromkeys(f"{v:,.0f}" for v in (*numbers[:1], *numbers[-1:]))) or "–"


def _averages(group: Rows) -> list[str]:
    means = [statistics.fmean(row[key] for row in group) for key in ("bytes", "psnr_db")]
    seconds = [statistics.fmean(row[key] for row in group) for key in ("encode_seconds", "decode_seconds")]
    least = min(row["psnr_db"] for row in group)
    figures = [
        markdown.number(v, form) for v, form in zip([*means, least], (",.0f", ".2f", ".2f"), strict=True)
    ]
    return [f"{group[0]['budget_bytes']:,}", str(len(group)), *figures, *(f"{v:.1f}" for v in seconds)]


def by_label(chosen: Rows) -> dict[str, Rows]:
    """Part rows by the label of their codec."""
    return {label: of(chosen, "label", label) for label in values(chosen, "label")}


def references(classic: Rows) -> dict[str, Rows]:
    """Choose the codecs that `latent` is held against, by their labels."""
    return by_label([row for row in classic if row["codec"] in _CLASSIC])


def of(chosen: Rows, key: str, value: object) -> list[rows.Row]:
    """Give the rows whose `key` is `value`."""
    return [row for row in chosen if row.get(key) == value]


def values(chosen: Rows, key: str) -> list[str]:
    """Give what `key` is, each once, in the order of the rows."""
    return list(dict.fromkeys(row[key] for row in chosen))


def _percent(value: float | None) -> str:
    return markdown.number(value, "+.1f")


def _share(value: float | None) -> str:
    return markdown.number(None if value is None else 100 * value, ".0f")
