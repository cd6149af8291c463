"""Keep results as JSON lines: one row for each figure, with what made it."""

import importlib.metadata
import json
import os
import platform
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dfm import result

RESULTS = Path(__file__).parent / "results"

_PACKAGES = ("jax", "flax", "optax", "numpy", "pillow", "constriction")

Row = dict[str, Any]


def facts() -> Row:
    """Tell the command, the machine with the device of JAX, and the versions that figures depend on."""
    import jax

    import dfm

    versions = {"dfm": dfm.__version__, "python": platform.python_version()}
    return {
        "command": _command(sys.orig_argv),
        "machine": f"{result.machine()}, JAX on {jax.devices()[0].device_kind}",
        "versions": versions | {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def append(path: str | os.PathLike[str], row: Mapping[str, Any]) -> None:
    """Add a row to a file, made if need be, and see that it is on the disk; a last line cut by a crash goes.

    Raises:
        OSError: the file cannot be written.
        ValueError: the row holds what JSON cannot, such as NaN; the file is as it was.
    """
    line = json.dumps(row, allow_nan=False) + "\n"
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab+") as file:
        file.seek(0)
        held = file.read()
        if not held.endswith(b"\n"):  # else another process may have added a row since
            file.truncate(held.rfind(b"\n") + 1)
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())


def complete(path: str | os.PathLike[str], keys: Iterable[Row], measure: Callable[[Row], Row]) -> list[Row]:
    """Append, and tell, what `measure` finds for each key that no row has yet; give the rows of all keys.

    Raises:
        OSError: the file cannot be written.
        ValueError: a line of it is no JSON object.
    """
    found = []
    for key in keys:
        row = find(read(path), key)
        if row is None:
            measured = key | measure(key)
            row = measured | facts()
            append(path, row)
            print(measured, file=sys.stderr, flush=True)
        found.append(row)
    return found


def read(path: str | os.PathLike[str]) -> list[Row]:
    """Read all rows of a file; none where there is no file. A last line cut by a crash is left out.

    Raises:
        ValueError: another line is no JSON object.
    """
    if not Path(path).exists():
        return []
    rows: list[Row] = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(keepends=True), 1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            row = None
        if isinstance(row, dict):
            rows.append(row)
        elif line.endswith("\n"):
            raise ValueError(f"{os.fspath(path)}, line {number} is no JSON object; remove it")
    return rows


def find(rows: Sequence[Row], key: Mapping[str, Any]) -> Row | None:
    """Give the last row that has all of `key`, or None."""
    return next((row for row in reversed(rows) if key.items() <= row.items()), None)


def _command(argv: list[str]) -> str:
    """Write a command as one would type it, with no path of this machine."""
    words = ["python", *(os.path.relpath(word) if os.path.isabs(word) else word for word in argv[1:])]
    return shlex.join(words)
