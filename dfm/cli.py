"""Run the command line: dfm encode, decode, info and compare."""

import argparse
import errno
import io
import json
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

import dfm
from dfm import arguments, console

INTERRUPTED = 130
TERMINATED = 143


class _Terminated(KeyboardInterrupt):
    """End on SIGTERM as on Ctrl-C, so that nothing half-done stays behind."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command as this process, and give its exit code."""
    with open(os.devnull, "r+") as nothing:
        sys.stdin, sys.stdout, sys.stderr = (s or nothing for s in (sys.stdin, sys.stdout, sys.stderr))
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # for names of files in other encodings
        code = run(argv)
    if code in (INTERRUPTED, TERMINATED):
        os._exit(code)  # the interpreter would wait for what XLA computes, or crash with it
    return code


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 1 after saying in one line why it failed. Wrong usage exits with 2."""
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        with warnings.catch_warnings():
            if not sys.warnoptions:
                warnings.simplefilter("ignore")
            return _command(argv)
    finally:
        signal.signal(signal.SIGTERM, previous)


def _command(argv: Sequence[str] | None) -> int:
    commands = {"encode": _encode, "decode": _decode, "info": _info, "compare": _compare}
    try:
        args = arguments.parse(argv)
        commands[args.command](args)
        sys.stdout.flush()
    except KeyboardInterrupt as error:
        return TERMINATED if isinstance(error, _Terminated) else INTERRUPTED
    except (ValueError, OSError, MemoryError) as error:
        if not isinstance(error, BrokenPipeError):
            about = args.input if isinstance(error, dfm.FormatError) else None
            print(f"dfm: {console.failure(error, about)}", file=sys.stderr)
        _drop_output()
        return 1
    return 0


# Each command imports what it alone needs: `dfm info` shall not wait for Pillow, nor `dfm decode` for jax.


def _encode(args: argparse.Namespace) -> None:
    from dfm import encoding

    encoding.keep_compilations()
    if args.input != "-" and os.path.isdir(args.input):
        with console.progress() as progress:
            encoding.folder(args, progress)
        return
    source, output = _stream(args.input), _output(args, ".dfm")
    with console.progress() as progress:
        facts = encoding.file(source, output, args, progress)
    encoding.report(facts, as_json=args.json)


def _decode(args: argparse.Namespace) -> None:
    from dfm import image

    data = _read(args.input)
    output = _output(args, ".png")
    format_ = "PNG" if output == "-" else image.format_of(output)
    pixels = dfm.decode(data, size=args.size, scale=args.scale, region=args.region)
    console.write(output, image.pack(pixels, format_))
    if output != "-":
        print(f"{output}: {console.shape(*pixels.shape)}")


def _info(args: argparse.Namespace) -> None:
    facts = dfm.info(_read(args.input))
    if args.json:
        print(json.dumps(facts))
        return
    print(f"{args.input}: {console.shape(facts['height'], facts['width'], facts['channels'])}")
    print(f"  codec    {facts['codec']}")
    print(
        f"  bytes    {facts['bytes']:,} ({console.listed(facts['split'])}), {facts['bpp']:.4f} bits per pixel"
    )
    print(f"  network  {console.listed(facts['network'])}")


def _compare(args: argparse.Namespace) -> None:
    from dfm import compare

    with console.progress() as progress:
        compare.run(args.inputs, args.codecs, report_dir=args.report, progress=progress)


def _stream(name: str) -> str | io.BytesIO:
    """Give a path, or what standard input holds for '-'."""
    return io.BytesIO(sys.stdin.buffer.read()) if name == "-" else name


def _read(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


def _output(args: argparse.Namespace, suffix: str) -> str:
    """Choose where to write, and fail before the work where writing would fail after it."""
    name: str | None = args.output
    if name is None:
        name = "-" if args.input == "-" else str(Path(args.input).with_suffix(suffix))
    if name == "-":
        if sys.stdout.isatty():
            raise ValueError("standard output is a terminal; name a file with -o, or pipe it")
        return name
    path = Path(name)
    if path.exists() and args.input != "-" and path.samefile(args.input):
        raise ValueError(f"{name} is the input itself; name another with -o")
    if args.output is None and path.exists():
        raise ValueError(f"{name} exists already; to replace it, name it with -o")
    _check_writable(path)
    return name


def _check_writable(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder; name a file with -o", str(path))
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such folder; create it first", str(path.parent))
    places = [path] if path.exists() and not path.is_file() else [folder, *filter(Path.exists, [path])]
    if not all(os.access(place, os.W_OK) for place in places):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def _drop_output() -> None:
    """Send what cannot be written nowhere, or the interpreter would complain of it once more at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise _Terminated
