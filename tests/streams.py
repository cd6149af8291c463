"""Make streams of the latent codec, of networks that are as large as can be too, and decode them twice."""

import functools

import numpy as np
import pytest

from dfm import container
from dfm.codecs import latent
from dfm.codecs.latent import exact_context, exact_synthesis, grids, payload, weights
from dfm.codecs.latent.exact_context import Symbols
from dfm.codecs.latent.weight_changes import Changes
from tests import reference_latent
from tests.reference_decoder import Damaged, check

NUMBERS = range(6)  # of base networks: 0 and 1 are sensible, the others as large as can be


@functools.cache
def networks(number: int) -> weights.Base:
    """Make base networks of which those of an even number have a grid of octave 0."""
    if number not in NUMBERS:
        raise container.FormatError(f"no base networks {number}")
    random, finest = np.random.default_rng(number), number % 2
    made = {name: random.normal(0, 0.1, shape) for name, shape in weights.shapes(finest).items()}
    made["upsampling"] += 0.25
    made["context.3"] *= 0.5
    made["context.skip"] *= 0.5
    made["context.3.bias"][1] += 1.0
    made["synthesis.1"] *= 0.2
    made["synthesis.1.bias"] += 0.5
    made["synthesis.2"] *= 0.5
    integers = {name: np.rint(w * 2**weights.BITS).astype(np.int64) for name, w in made.items()}
    if number >= 2:
        integers = {name: weights.LARGEST * np.where(w < 0, -1, 1) for name, w in integers.items()}
    if number >= 4:
        integers = {name: np.abs(w) for name, w in integers.items()}
    directions = {group: along(random, *shape) for group, shape in weights.shapes_of_groups(finest).items()}
    if number >= 2:
        directions = {group: steepest(*shape) for group, shape in weights.shapes_of_groups(finest).items()}
    return weights.Base(finest=finest, lambda_=1e-3, weights=integers, directions=directions, analysis={})


def along(random: np.random.Generator, m: int, n: int) -> weights.Directions:
    left, right = (np.rint(random.normal(0, 2**12, (side, side))).astype(np.int64) for side in (m, n))
    return weights.Directions(left=left, right=right, shift=28, spread=random.integers(-99, 90, (m, n)))


def steepest(m: int, n: int) -> weights.Directions:
    left, right = (np.full((side, side), 2**15 - 1) for side in (m, n))
    return weights.Directions(left=left, right=right, shift=45, spread=np.full((m, n), 127))


@functools.cache
def networks_of_the_document(number: int) -> reference_latent.Base:
    check(number in NUMBERS)
    base = networks(number)
    directions = {
        group: (d.left.tolist(), d.right.tolist(), d.shift, d.spread.tolist())
        for group, d in base.directions.items()
    }
    return base.finest, {name: w.tolist() for name, w in base.weights.items()}, directions


def draw(number: int, size: tuple[int, int], scale: float = 1.5) -> Symbols:
    random = np.random.default_rng(number)
    listed = grids.order(networks(number).finest)
    return {grid: np.rint(random.laplace(0, scale, grid.size(*size))).astype(np.int64) for grid in listed}


def largest(number: int, size: tuple[int, int], signs: bool) -> Symbols:
    """Draw symbols as large as can be, of either sign or positive."""
    return {
        grid: exact_context.LARGEST * np.where(signs & (q < 0), -1, 1)
        for grid, q in draw(number, size, 9.0).items()
    }


def change(number: int, share: float, seed: int = 0) -> Changes | None:
    """Draw changes, a share of them not zero, that leave all weights in range."""
    if share == 0:
        return None
    random, integers = np.random.default_rng(seed), {}
    for group, shape in sorted(weights.shapes_of_groups(networks(number).finest).items()):
        q = np.rint(random.laplace(0, 3, shape)).astype(np.int64) * (random.random(shape) < share)
        if number in (2, 3):
            q[0, 0] -= q.sum()
        integers[group] = -np.abs(q) if number >= 4 else q
    return Changes(step=int(random.integers(4)), wider=int(random.integers(-20, 20)), integers=integers)


def decode(data: bytes, size: tuple[int, int]) -> tuple[payload.Parts, Symbols]:
    parts = payload.unpack(data)
    return parts, exact_context.decode(parts.decoder, parts.weights, parts.base.finest, size)


def image(data: bytes, size: tuple[int, int]) -> np.ndarray:
    parts, symbols = decode(data, size)
    return exact_synthesis.image(parts.weights, symbols, size, (0, size[0]))


def straight_line(data: bytes, size: tuple[int, int]) -> np.ndarray:
    height, width = size
    return np.array(reference_latent.decode(data, width, height, 3, networks_of_the_document), np.uint8)


def header(channels: int, size: tuple[int, int]) -> container.Header:
    return container.Header(codec="late", width=size[1], height=size[0], channels=channels)


def joined(content: bytes, channels: int, size: tuple[int, int]) -> np.ndarray:
    """Decode a payload."""
    whole = 0, 0, size[1], size[0]
    return latent.decode(content, header(channels, size), size=whole[2:], region=whole)


def outcome(data: bytes, size: tuple[int, int]) -> np.ndarray | None:
    """Decode as both decoders agree to; damaged data give None."""
    try:
        expected = straight_line(data, size)
    except Damaged:
        with pytest.raises(container.FormatError):
            image(data, size)
        return None
    np.testing.assert_array_equal(image(data, size), expected)
    return expected
