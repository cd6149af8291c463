"""What the command lines of scripts share."""

import argparse
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

from dfm import console

P = ParamSpec("P")


def one_line_errors(main: Callable[P, None]) -> Callable[P, None]:
    """Let a script that fails for what it was given end with one line, its name and the error, and code 1."""
    name = Path(main.__code__.co_filename).stem

    @functools.wraps(main)
    def ended(*arguments: P.args, **named: P.kwargs) -> None:
        try:
            main(*arguments, **named)
        except (OSError, ValueError, FloatingPointError, ImportError) as error:
            sys.exit(f"{name}: {console.failure(error)}")

    return ended


def of_training(about: str | None, results: str = "") -> argparse.ArgumentParser:
    """Make a parser that takes the folder of a training as `run`.

    Args:
        about: what `--help` says, such as a module's docstring.
        results: name of the file of rows that `--results` proposes; empty for a script without rows.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="DIR", help="the folder of a training")
    if results:
        parser.add_argument(
            "--results",
            metavar="FILE",
            help=f"gets the rows too, such as experiments/results/{results}.jsonl",
        )
    return parser


def files(given: argparse.Namespace, name: str) -> list[Path]:
    """Name the files that rows of a training go to: one in its folder, and that of `--results`."""
    return [Path(given.run) / f"{name}.jsonl", *([Path(given.results)] if given.results else [])]


def add_priors(parser: argparse.ArgumentParser) -> None:
    """Add settings of priors; read the command line by `parse_intermixed_args` then."""
    parser.add_argument(
        "overrides", nargs="*", metavar="PRIOR.KEY=VALUE", help="a prior's setting, as diffusion.width=512"
    )
