"""Write tables in Markdown."""

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out cells, the first column to the left and all others to the right."""
    rule = [":---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, rule, *rows])


def number(value: float | None, form: str = ".1f") -> str:
    """Write a number, or a dash for none."""
    return "–" if value is None else format(value, form)
