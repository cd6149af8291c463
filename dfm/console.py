"""Put facts, failures and progress into lines for a terminal."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from dfm import api

_CHANNELS = {1: "gray", 2: "gray with alpha", 3: "RGB", 4: "RGBA"}


def shape(height: int, width: int, channels: int = 1) -> str:
    """Say how large an image is and what its channels are."""
    return f"{width} x {height} pixels, {_CHANNELS[channels]}"


def listed(facts: dict[str, Any]) -> str:
    """Join names and values, with thousands set apart."""
    return ", ".join(
        f"{name} {f'{value:,}' if isinstance(value, int) else value}" for name, value in facts.items()
    )


def failure(error: BaseException, about: str | None = None) -> str:
    """Put an error into one line, with the file it is about."""
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join((f"{about}: {text}" if about else text).split())


def write(output: str, data: bytes) -> None:
    """Write a file whole or not at all, or to standard output where `output` is '-'."""
    from dfm import image

    if output == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        image.write_bytes(output, data)


@contextlib.contextmanager
def progress() -> Iterator[api.Progress | None]:
    """Show a bar on standard error while that is a terminal, and give what moves it, or None."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich import console
    from rich import progress as bars

    terminal = console.Console(stderr=True)
    with bars.Progress(console=terminal, transient=True, redirect_stdout=sys.stdout.isatty()) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda fraction, text: bar.update(task, completed=fraction, description=text)
