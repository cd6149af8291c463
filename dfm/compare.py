"""Compare codecs on images: real files, decoded again, at many rates and at equal bytes."""

import dataclasses
import os
import shlex
import statistics
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from dfm import api, contestant, image, report, result, table

SHOWN_BPP = 0.5
SETBACK_DB = 0.1


def equal_bytes(
    original: UInt8[np.ndarray, "h w *c"], max_bytes: int, codecs: Sequence[str]
) -> list[result.Result]:
    """Measure each of the named codecs at its largest file of at most `max_bytes`.

    A codec whose smallest file is larger comes with that one: its bytes say so.

    Raises:
        ValueError: a name is no codec, or a codec cannot hold the image.
    """
    whole = _as_hwc(original)
    entries = [contestant.named(name) for name in codecs]
    return [result.measure(whole, entry, contestant.fit(entry, whole, max_bytes)) for entry in entries]


def curve(
    original: UInt8[np.ndarray, "h w c"], entry: contestant.Contestant
) -> tuple[dict[int, result.Result], list[str]]:
    """Measure a codec at every setting of its sweep, by number; tell also why it refused some."""
    results, refusals = dict[int, result.Result](), dict[str, None]()
    for number, setting in enumerate(entry.sweep(original.shape)):
        try:
            results[number] = result.measure(original, entry, contestant.make(entry, original, setting))
        except ValueError as error:
            refusals[f"{entry.label}: {error}"] = None
    return results, list(refusals)


def setbacks(points: Collection[result.Result]) -> list[str]:
    """Name the files of a curve that a smaller one beats by over `SETBACK_DB`, which BD-rates leave out."""
    told = []
    best: result.Result | None = None
    for point in sorted(points, key=lambda point: len(point.data)):
        if best is None or point.psnr_db >= best.psnr_db:
            best = point
        elif point.psnr_db < best.psnr_db - SETBACK_DB:
            worse, better = (f"{len(p.data):,} bytes, {p.psnr_db:.2f} dB" for p in (point, best))
            told.append(f"{point.label}: a larger file is worse: {worse}, after {better}")
    return told


def run(
    paths: Sequence[str | os.PathLike[str]],
    codecs: Sequence[str] | None = None,
    *,
    report_dir: str | os.PathLike[str] | None = None,
    progress: api.Progress | None = None,
) -> list[dict[str, Any]]:
    """Compare codecs on images, print tables, and write a report if a folder is named for it.

    Args:
        paths: image files.
        codecs: names as `contestant.named` takes them; all that there are by default.
        report_dir: made if need be; gets report.html, curves.svg and rows.jsonl.
        progress: called with the fraction done, 0 to 1, and a word on the present step.

    Returns:
        A row for each file made: points of a curve have "point", files at equal bytes "budget_bytes".

    Raises:
        OSError: an image cannot be opened, or the report not be written.
        ValueError: a file is no image, or a name is no codec.
    """
    entries = [contestant.named(name) for name in codecs or contestant.default()]
    originals = [_as_hwc(image.read(path)) for path in paths]
    folder = None if report_dir is None else Path(report_dir)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    facts = {"command": _command(paths, codecs, folder), "machine": result.machine()}
    page = report.Report(command=facts["command"], machine=facts["machine"])
    rows, notes = page.rows, page.notes
    for i, (name, original) in enumerate(zip(_names(paths), originals, strict=True)):
        budget = shown_bytes(original.shape, entries)
        picture = report.Picture(name=name, original=original, budget_bytes=budget, results=[])
        for j, entry in enumerate(entries):
            if progress is not None:
                progress((i + j / len(entries)) / len(paths), f"{name}: {entry.label}")
            points, refusals = curve(original, entry)
            rows += [point.row(name, facts | {"point": number}) for number, point in points.items()]
            told = refusals + setbacks(points.values())
            notes += [note for note in told if note not in notes]
            picture.results.extend(_at_budget(original, entry, budget, points.values()))
        rows += [shown.row(name, facts | {"budget_bytes": budget}) for shown in picture.results]
        page.pictures.append(picture)
    table.show(rows, notes)
    if folder is not None:
        report.write(folder, page)
    return rows


def shown_bytes(shape: Sequence[int], entries: Sequence[contestant.Contestant]) -> int:
    """Choose the budget at which images are shown: a neural codec's middle one, else 0.5 bits per pixel."""
    budgets = [
        setting.max_bytes
        for entry in entries
        for setting in entry.sweep(shape)
        if isinstance(setting, contestant.Budget)
    ]
    return statistics.median_low(budgets) if budgets else int(SHOWN_BPP * shape[0] * shape[1] / 8)


def _at_budget(
    original: UInt8[np.ndarray, "h w c"],
    entry: contestant.Contestant,
    max_bytes: int,
    points: Collection[result.Result],
) -> list[result.Result]:
    """Give the file at the budget, if any: from the curve where it is one of its points, else by a search."""
    ladder = entry.ladder(max_bytes)
    if not points or set(ladder) <= set(entry.sweep(original.shape)):
        return [point for point in points if point.settings == dataclasses.asdict(ladder[-1])]
    return [result.measure(original, entry, contestant.fit(entry, original, max_bytes))]


def _as_hwc(pixels: UInt8[np.ndarray, "h w *c"]) -> UInt8[np.ndarray, "h w c"]:
    return pixels.reshape(*pixels.shape[:2], -1)


def _names(paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    """Name images by their files, or by the whole paths where these would not tell them apart."""
    short = [Path(path).name for path in paths]
    return short if len(set(short)) == len(short) else [os.fspath(path) for path in paths]


def _command(
    paths: Sequence[str | os.PathLike[str]], codecs: Sequence[str] | None, folder: Path | None
) -> str:
    options = [
        *(["--codecs", ",".join(codecs)] if codecs else []),
        *(["--report", str(folder)] if folder else []),
    ]
    return shlex.join(["dfm", "compare", *(os.fspath(path) for path in paths), *options])
