"""Decode damaged files: nothing but `FormatError`, or an image of the declared shape, may come back.

    python -m experiments.fuzz --cases 10000000 --seed 0

Each case is a golden file (tests/golden) after a few random changes; mostly its checksum is made right again,
so that the changes reach the decoder behind it. Every eighth is decoded whole, the others at 3 x 2 pixels,
for speed. A failure prints its bytes in hex, with the seed and its number.
"""

import argparse
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import dfm
from dfm import container

MAX_PIXELS = 4096
SMALL = 3, 2
WHOLE = 8
REPORT = 10_000
GOLDEN = Path(__file__).parent.parent / "tests" / "golden"

_CHANNELS = 14  # the byte of a golden file, whose sides are below 128: magic, version, codec, sides, channels
_SHAPE = 15
_CHANGES = 3  # on average
_REPAIRED = 0.95  # of the cases have a right checksum
_RESHAPED = 0.02  # of them have another network, which may be a slow one
_EDGES = np.array([0, 1, 0x7F, 0x80, 0xC7, 0xC8, 0xFF], np.uint8)


def seeds() -> list[bytes]:
    """Read the golden files in the order of their names."""
    return [path.read_bytes() for path in sorted(GOLDEN.glob("*.dfm"))]


def cases(files: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Give `count` damaged files."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        yield mutate(files[random.integers(len(files))], random)


def mutate(data: bytes, random: np.random.Generator) -> bytes:
    """Change a file: bits, bytes, the header, its length; then most often its checksum to match."""
    body = np.frombuffer(data[:-4], np.uint8).copy()
    for _ in range(1 + random.poisson(_CHANGES - 1)):
        body = CHANGES[random.integers(len(CHANGES))](body, random)
    if len(body) > _SHAPE and random.random() < _RESHAPED:
        body[_SHAPE] = random.integers(256)
    changed = body.tobytes()
    if random.random() < _REPAIRED:
        return changed + zlib.crc32(changed).to_bytes(4, "little")
    return changed + data[-4:]


def flip(body: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Flip a bit of the payload."""
    if len(body) > _SHAPE + 1:
        body[random.integers(_SHAPE + 1, len(body))] ^= 1 << random.integers(8)
    return body


def replace(body: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Write a byte, random or an edge of a range, into the payload."""
    if len(body) > _SHAPE + 1:
        value = random.choice(_EDGES) if random.random() < 0.5 else random.integers(256)
        body[random.integers(_SHAPE + 1, len(body))] = value
    return body


def reheader(body: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Write a small byte, or now and then any, into sides or channels, and rarely elsewhere in the header."""
    at = random.integers(12, _CHANNELS + 1) if random.random() < 0.9 else random.integers(_CHANNELS + 1)
    if at < len(body):
        body[at] = random.integers(7) if random.random() < 0.7 else random.integers(256)
    return body


def cut(body: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Drop the end, most often a short one."""
    return body[: max(0, len(body) - int(random.geometric(0.1)))]


def extend(body: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Append random bytes."""
    return np.append(body, random.integers(256, size=random.geometric(0.1), dtype=np.uint8))


def fill(body: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Overwrite a run of the payload with one byte."""
    if len(body) > _SHAPE + 1:
        at = random.integers(_SHAPE + 1, len(body))
        body[at : at + random.geometric(0.1)] = random.choice(_EDGES)
    return body


def splice(body: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Move a piece of the payload to another place."""
    if len(body) > _SHAPE + 1:
        source, to = random.integers(_SHAPE + 1, len(body), size=2)
        count = min(int(random.geometric(0.1)), len(body) - max(source, to))
        body[to : to + count] = body[source : source + count].copy()
    return body


CHANGES = (flip, replace, reheader, cut, extend, fill, splice)


def check(data: bytes, *, whole: bool = True) -> bool:
    """Decode, at 3 x 2 pixels if not `whole`, and tell whether an image came back.

    Raises:
        Exception: anything but `FormatError` came of it, or an image of another shape.
    """
    try:
        image = dfm.decode(data, size=None if whole else SMALL, max_pixels=MAX_PIXELS)
    except dfm.FormatError:
        return False
    header, _ = container.unpack(data, MAX_PIXELS)
    width, height = (header.width, header.height) if whole else SMALL
    shape = (height, width) + ((header.channels,) if header.channels > 1 else ())
    assert image.shape == shape, f"the image has shape {image.shape}, declared is {shape}"
    assert image.dtype == np.uint8
    return True


def run(count: int, seed: int, report: Callable[[int, int], None] = lambda number, images: None) -> int:
    """Check `count` cases, and tell how many are images."""
    images = 0
    for number, data in enumerate(cases(seeds(), count, seed), 1):
        try:
            images += check(data, whole=number % WHOLE == 0)
        except BaseException:
            print(f"seed {seed}, case {number}: {data.hex()}", flush=True)
            raise
        report(number, images)
    return images


def main() -> None:
    """Check so many cases, and report every ten thousand."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.monotonic()

    def report(number: int, images: int) -> None:
        if number % REPORT == 0 or number == options.cases:
            print(f"{number} cases, {images} images, {time.monotonic() - start:.0f} s", flush=True)

    run(options.cases, options.seed, report)


if __name__ == "__main__":
    main()
