"""Write tables in Markdown, and put them into documents, between `<!-- name -->` and `<!-- /name -->`."""

import re
from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out cells, the first column to the left and all others to the right."""
    rule = [":---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, rule, *rows])


def number(value: float | None, form: str = ".1f") -> str:
    """Write a number, or a dash for none."""
    return "–" if value is None else format(value, form)


def names(document: str) -> list[str]:
    """List the names of all marks."""
    return re.findall(r"<!-- /(.*?) -->", document)


def put(document: str, name: str, text: str) -> str:
    """Give the document with `text` between the marks of a name.

    Raises:
        ValueError: the document lacks them.
    """
    mark = re.escape(name)
    found = re.search(rf"<!-- {mark} -->\n(.*?)\n<!-- /{mark} -->", document, re.DOTALL)
    if found is None:
        raise ValueError(f"the document lacks <!-- {name} --> and <!-- /{name} -->; add both")
    return document[: found.start(1)] + text + document[found.end(1) :]
