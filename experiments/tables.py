"""Print every table, from rows alone: python -m experiments.tables [DOCUMENT ...] [--rows FOLDER]

In documents in Markdown, what stands between <!-- NAME --> and <!-- /NAME --> becomes the table of that name.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import experiments
from dfm import image, registry
from experiments import command, markdown, overview, rate_tables, rows
from experiments.rate_tables import by_label, of, values


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Print every table that there are rows for, or put those that documents show into them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("documents", nargs="*", type=Path, metavar="DOCUMENT")
    parser.add_argument("--rows", type=Path, default=rows.RESULTS, metavar="FOLDER")
    given = parser.parse_args(arguments)
    tables = dict(report(given.rows))
    if not tables:
        raise ValueError(f"{given.rows} holds no rows; run experiments.coordinate_rd first")
    for path in given.documents:
        filled = fill(path.read_text(encoding="utf-8"), tables)
        image.write_bytes(path, filled.encode())
    if not given.documents:
        print("\n\n".join(f"### {name}\n\n{table}" for name, table in tables.items()))


def fill(document: str, tables: dict[str, str]) -> str:
    """Give a document with the tables that it names.

    Raises:
        ValueError: it names one that there is not.
    """
    for name in markdown.names(document):
        if name not in tables:
            raise ValueError(f"there is no table {name!r}; choose one of {', '.join(tables)}")
        document = markdown.put(document, name, tables[name])
    return document


def report(folder: Path) -> Iterator[tuple[str, str]]:
    """Name and write each table that there are rows for in a folder."""
    classic = rows.read(folder / "baselines.jsonl")
    yield from _coordinate(folder, classic)
    yield from _latent(rows.read(folder / "latent_rd.jsonl"), classic)
    for name in registry.names(experiments):
        chosen = rows.read(folder / f"{name}.jsonl")
        table = getattr(registry.get(experiments, name), "table", None) if chosen else None
        if callable(table):
            yield name, table(chosen)
    if evaluated := rows.read(folder / overview.ROWS.name):
        yield "overview", overview.table(evaluated, rows.read(folder / overview.LIKELIHOODS.name))


def _coordinate(folder: Path, classic: rate_tables.Rows) -> Iterator[tuple[str, str]]:
    measured = rows.read(folder / "coordinate_rd.jsonl")
    jpegs = [row for row in classic if row["codec"].split(":")[0] == "jpeg"]
    for codec in sorted({row["codec"] for row in measured if row["codec"] != "siren"}):
        ours, sirens = of(measured, "codec", codec), of(measured, "beside", codec)
        yield f"{codec} files", rate_tables.files(ours)
        references = {"SIREN, 16 bit": sirens} | by_label(jpegs)
        yield f"{codec} BD-rates", rate_tables.bd_rates(ours, references)
        yield f"{codec} percent of JPEG", rate_tables.equal_psnr(ours, jpegs)
        yield f"{codec} against COIN", rate_tables.published(ours, folder / "coin_published.tsv")


def _latent(fitted: rate_tables.Rows, classic: rate_tables.Rows) -> Iterator[tuple[str, str]]:
    references = rate_tables.references(classic)
    for codec in values(fitted, "codec"):
        ours = of(fitted, "codec", codec)
        yield f"{codec} files", rate_tables.by_lambda(ours, references)
        yield f"{codec} BD-rates", rate_tables.bd_rates(ours, references)
    if fitted:
        yield "latent presets", rate_tables.presets(fitted, references)


if __name__ == "__main__":
    main()
