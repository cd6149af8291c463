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


def held(document: str, name: str) -> str:
    """Give what stands between the marks of a name, which may end in a remark: `<!-- name: remark -->`.

    Raises:
        ValueError: the document lacks them.
    """
    return _place(document, name)[2]


def put(document: str, name: str, text: str) -> str:
    """Give the document with `text` between the marks of a name.

    Raises:
        ValueError: the document lacks them.
    """
    found = _place(document, name)
    return document[: found.start(2)] + text + document[found.end(2) :]


def _place(document: str, name: str) -> re.Match[str]:
    found = re.search(rf"<!-- {name}(: .*?)? -->\n(.*?)\n<!-- /{name} -->", document, re.DOTALL)
    if found is None:
        raise ValueError(f"the document lacks <!-- {name} --> and <!-- /{name} -->; add both")
    return found
