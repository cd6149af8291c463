"""Print tables of our codecs in Markdown, from rows alone: python -m experiments.tables [FOLDER]"""

import argparse
import csv
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

import experiments
from dfm import metrics, registry
from experiments import command, kodak, markdown, rows

_CLASSIC = "jpeg", "webp", "avif", "avif:strongest"
LEVELS = range(20, 27)  # dB

Rows = Sequence[rows.Row]


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Print every table that there are rows for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=rows.RESULTS, help="of the rows")
    folder = parser.parse_args(arguments).folder
    sections = "\n\n".join(report(folder))
    if not sections:
        raise ValueError(f"{folder} holds no rows; run experiments.coordinate_rd first")
    print(sections)


def report(folder: Path) -> Iterable[str]:
    """Write a section of each kind of results in a folder."""
    measured = rows.read(folder / "coordinate_rd.jsonl")
    classic = rows.read(folder / "baselines.jsonl")
    jpegs = [row for row in classic if row["codec"].split(":")[0] == "jpeg"]
    for codec in sorted({row["codec"] for row in measured if row["codec"] != "siren"}):
        ours = [row for row in measured if row["codec"] == codec]
        sirens = [row for row in measured if row.get("beside") == codec]
        yield f"### {codec}: files\n\n{files(ours)}"
        references = {"SIREN, 16 bit": sirens} | _by_label(jpegs)
        yield f"### {codec}: bytes at equal PSNR (BD-rate), in percent\n\n{bd_rates(ours, references)}"
        yield f"### {codec}: bytes in percent of JPEG's, equal PSNR\n\n{equal_psnr(ours, jpegs)}"
        yield f"### {codec}, against COIN as published\n\n{published(ours, folder / 'coin_published.tsv')}"
    fitted = rows.read(folder / "latent_rd.jsonl")
    for codec in _values(fitted, "codec"):
        ours = _of(fitted, "codec", codec)
        references = _by_label([row for row in classic if row["codec"] in _CLASSIC])
        yield f"### {codec}: files, and bytes against others at equal PSNR\n\n{by_lambda(ours, references)}"
        yield f"### {codec}: bytes at equal PSNR (BD-rate), in percent\n\n{bd_rates(ours, references)}"
    for name in registry.names(experiments):
        chosen = rows.read(folder / f"{name}.jsonl")
        table = getattr(registry.get(experiments, name), "table", None) if chosen else None
        if callable(table):
            yield f"### {name}\n\n{table(chosen)}"


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
        more = [_percent(_mean(_excess(row, r) for row in group)) for r in references.values()]
        lines.append([f"{lambda_:g}", str(len(group)), *means, *more])
    return markdown.table([*header, *(f"against {label}, %" for label in references)], lines)


def bd_rates(ours: Rows, references: Mapping[str, Rows]) -> str:
    """Hold each image against the curves of other codecs; the mean is over images that all have."""
    names = _values(ours, "image")
    columns = [
        [_bd_rate(_of(r, "image", n), _of(ours, "image", n)) for n in names] for r in references.values()
    ]
    lines = [[n, *map(_percent, line)] for n, line in zip(names, zip(*columns, strict=True), strict=True)]
    means = ["mean", *(_percent(_mean(column)) for column in columns)]
    return markdown.table(["image", *(f"against {label}" for label in references)], [*lines, means])


def equal_psnr(ours: Rows, jpegs: Rows) -> str:
    """Divide our bytes by those of the JPEG variant with fewest, at each level of PSNR up to 26 dB.

    A curve below its smallest file counts as that file; "–" stands for a PSNR beyond a curve's largest.
    """
    names = _values(ours, "image")
    lines = []
    for level in LEVELS:
        ratios = [_ratio(_of(ours, "image", n), _of(jpegs, "image", n), level) for n in names]
        lines.append([f"{level} dB", *map(_share, ratios), _share(_mean(ratios))])
    return markdown.table(["PSNR", *names, "mean"], lines)


def published(ours: Rows, path: Path) -> str:
    """Compare the means at each budget over all of Kodak with COIN's; they mean nothing over fewer photos."""
    with open(path, encoding="utf-8") as file:
        lines = csv.DictReader((line for line in file if not line.startswith("#")), delimiter="\t")
        coin = [{"bpp": float(line["bpp"]), "psnr_db": float(line["psnr_db"])} for line in lines]
    curve = []
    for budget in _values(ours, "budget_bytes"):
        group = _of(ours, "budget_bytes", budget)
        if {row["image"] for row in group} == set(kodak.NAMES):
            curve.append({key: statistics.fmean(row[key] for row in group) for key in ("bpp", "psnr_db")})
    if len(curve) < 2:
        found = len(_values(ours, "image"))
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


def _ratio(ours: Rows, jpegs: Rows, psnr: float) -> float | None:
    mine = bytes_at(ours, psnr)
    others = [bytes_at(_of(jpegs, "label", label), psnr) for label in _values(jpegs, "label")]
    found = [n for n in others if n is not None]
    return mine / min(found) if mine is not None and found else None


def _excess(row: rows.Row, others: Rows) -> float | None:
    theirs = bytes_at(_of(others, "image", row["image"]), row["psnr_db"])
    return 100 * (row["bytes"] / theirs - 1) if theirs else None


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


def _averages(group: Rows) -> list[str]:
    means = [statistics.fmean(row[key] for row in group) for key in ("bytes", "psnr_db")]
    seconds = [statistics.fmean(row[key] for row in group) for key in ("encode_seconds", "decode_seconds")]
    least = min(row["psnr_db"] for row in group)
    figures = [
        markdown.number(v, form) for v, form in zip([*means, least], (",.0f", ".2f", ".2f"), strict=True)
    ]
    return [f"{group[0]['budget_bytes']:,}", str(len(group)), *figures, *(f"{v:.1f}" for v in seconds)]


def _by_label(chosen: Rows) -> dict[str, Rows]:
    return {label: _of(chosen, "label", label) for label in _values(chosen, "label")}


def _of(chosen: Rows, key: str, value: object) -> list[rows.Row]:
    return [row for row in chosen if row[key] == value]


def _values(chosen: Rows, key: str) -> list[str]:
    return list(dict.fromkeys(row[key] for row in chosen))


def _percent(value: float | None) -> str:
    return markdown.number(value, "+.1f")


def _share(value: float | None) -> str:
    return markdown.number(None if value is None else 100 * value, ".0f")


if __name__ == "__main__":
    main()
