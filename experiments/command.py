"""Read the command lines of scripts that look at a training."""

import argparse


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


def add_priors(parser: argparse.ArgumentParser) -> None:
    """Add settings of priors; read the command line by `parse_intermixed_args` then."""
    parser.add_argument(
        "overrides", nargs="*", metavar="PRIOR.KEY=VALUE", help="a prior's setting, as diffusion.width=512"
    )
