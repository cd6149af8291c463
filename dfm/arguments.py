"""Parse the arguments of the command line."""

import argparse
import math
import re
from collections.abc import Sequence

import dfm
from dfm import api

_EXAMPLES = """\
examples:
  dfm encode photo.jpg                               write photo.dfm
  dfm encode photo.jpg --max-bytes 4000 -o small.dfm
  dfm encode photo.jpg --preset fast --min-psnr 26
  dfm encode photos -o small --max-bpp 0.25          encode all images of a folder; resume by the same command
  dfm decode photo.dfm                               write photo.png
  dfm decode photo.dfm --scale 2 -o large.webp
  dfm info photo.dfm
  dfm compare photo.jpg --report report              write report/report.html

'dfm COMMAND --help' tells more. Exit code: 0 done, 1 failed for a reason given in one line, 2 wrong usage."""

_OUTPUT = (
    "default: IN with the suffix %s, never in place of an old file; -o replaces one; '-' is standard output"
)


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the arguments, those of the process if None; on wrong usage exit with 2."""
    parser = argparse.ArgumentParser(
        prog="dfm",
        description="Turn an image into a small file by Fourier networks, and back.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"dfm {dfm.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")
    encode = _add(commands, "encode", "turn an image into a .dfm file")
    _add_encode(encode)
    _add_decode(_add(commands, "decode", "turn a .dfm file into an image"))
    _add_info(_add(commands, "info", "tell what a .dfm file holds"))
    _add_compare(_add(commands, "compare", "compare codecs on images: quality, bytes and seconds"))
    args = parser.parse_args(argv)
    if args.command == "encode":
        _check_encode(encode, args)
    return args


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, what: str
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name, help=what, description=f"{what[0].upper()}{what[1:]}.", allow_abbrev=False
    )


def _add_encode(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "input",
        metavar="IN",
        help="an image that Pillow reads, or a folder: all its images that have no .dfm file yet, several "
        "at a time; '-' is standard input",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT.dfm",
        help=f"{_OUTPUT % '.dfm'}; of a folder, the folder for the files",
    )
    parser.add_argument(
        "--codec",
        default="latent",
        help="latent, for photos, or coordinate, for previews of a few kilobytes (default: %(default)s)",
    )
    parser.add_argument(
        "--preset",
        default="balanced",
        help="fast (a minute or two for 768x512 pixels), balanced (ten minutes) or best (an hour): more time "
        "for fewer bytes at the same quality; a codec may have others (latent: instant, no fit; coordinate: "
        "thesis, the method as first published) (default: %(default)s)",
    )
    aims = parser.add_argument_group("what to aim for (at most one)").add_mutually_exclusive_group()
    aims.add_argument(
        "--lambda",
        dest="lambda_",
        type=_positive,
        metavar="X",
        help="minimize MSE + X * bits per pixel, for pixels from 0 to 1; smaller is better and larger files "
        "(the default aim, with 0.001)",
    )
    aims.add_argument("--max-bpp", type=_positive, metavar="B", help="at most B bits per pixel of the image")
    aims.add_argument("--max-bytes", type=_count, metavar="N", help="at most N bytes")
    aims.add_argument("--min-psnr", type=_positive, metavar="DB", help="at least DB decibels of PSNR")
    parser.add_argument(
        "--seed", type=_seed, default=0, metavar="S", help="of all random choices (default: 0)"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the result as one JSON object, a line an image of a folder"
    )


def _add_decode(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", metavar="IN.dfm", help="a .dfm file; '-' is standard input")
    parser.add_argument(
        "-o", "--output", metavar="OUT", help=f"an image of the suffix's format; {_OUTPUT % '.png'}, as PNG"
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--size",
        type=_size,
        metavar="WxH",
        help="decode at this width and height in pixels, such as 1920x1080",
    )
    size.add_argument("--scale", type=_positive, metavar="S", help="decode at S times the width and height")
    parser.add_argument(
        "--region",
        type=_region,
        metavar="X,Y,W,H",
        help="decode only this part: left, top, width and height in pixels of the image at that size",
    )


def _add_info(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", metavar="FILE.dfm", help="a .dfm file; '-' is standard input")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inputs", metavar="IN", nargs="+", help="images that Pillow reads")
    parser.add_argument(
        "--codecs",
        type=_names,
        metavar="A,B,...",
        help="such as coordinate:fast,jpeg:4:4:4,webp: codecs, each alone or with a preset or variant "
        "(default: all there are, dfm's with balanced, which takes long)",
    )
    parser.add_argument(
        "--report", metavar="DIR", help="write report.html, curves.svg and rows.jsonl to this folder"
    )


def _check_encode(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    try:
        presets = api.presets(args.codec)
    except ValueError as error:
        parser.error(f"argument --codec: {error}")
    if args.preset not in presets:
        parser.error(
            f"argument --preset: {args.codec} has no {args.preset!r}; choose one of {', '.join(presets)}"
        )
    if args.json and "-" in (args.output, args.output or args.input):
        parser.error("--json and the file cannot both go to standard output; name a file with -o")


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def _count(text: str) -> int:
    return _integers(text, r"([1-9]\d{0,17})", "a whole number above 0")[0]


def _seed(text: str) -> int:
    return _integers(text, r"(\d{1,18})", "a whole number, 0 or above")[0]


def _size(text: str) -> tuple[int, ...]:
    return _integers(text, r"([1-9]\d{0,8})x([1-9]\d{0,8})", "WIDTHxHEIGHT in pixels, such as 1920x1080")


def _region(text: str) -> tuple[int, ...]:
    pattern = r"(\d{1,9}),(\d{1,9}),([1-9]\d{0,8}),([1-9]\d{0,8})"
    return _integers(text, pattern, "X,Y,WIDTH,HEIGHT in pixels, such as 0,0,256,256")


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _integers(text: str, pattern: str, form: str) -> tuple[int, ...]:
    match = re.fullmatch(pattern, text, re.ASCII)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not {form}")
    return tuple(map(int, match.groups()))
