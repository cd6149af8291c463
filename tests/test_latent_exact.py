"""Streams of the latent codec: packed, unpacked and decoded in integers, and held against the document."""

import dataclasses
import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfm import coder, container, laplace
from dfm.codecs import latent
from dfm.codecs.latent import (
    exact_context,
    exact_synthesis,
    grids,
    model,
    payload,
    weight_changes,
    weights,
)
from dfm.codecs.latent.exact_context import Symbols
from dfm.codecs.latent.weight_changes import Changes
from tests import reference_latent
from tests.reference_decoder import Damaged, check

SIZES = [(1, 1), (1, 9), (9, 1), (2, 3), (8, 5), (37, 45)]  # height, width
NUMBERS = range(6)  # of base networks: 0 and 1 are sensible, the others as large as can be
REAL = weights.base
FAST = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})  # to compile

sizes = st.tuples(st.integers(1, 7), st.integers(1, 7))
numbers = st.sampled_from(NUMBERS)


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


@pytest.fixture(autouse=True, scope="module")
def _networks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "base", networks)
        yield


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


def bits_of_symbols(changed: weights.Integers, finest: int, symbols: Symbols, size: tuple[int, int]) -> float:
    """Give the bits that all grids take in a stream."""
    return sum(float(laplace.bits(*codes).sum()) for codes in payload.coded(changed, finest, symbols, size))


def image(data: bytes, size: tuple[int, int]) -> np.ndarray:
    parts, symbols = decode(data, size)
    return exact_synthesis.image(parts.weights, symbols, size, (0, size[0]))


def straight_line(data: bytes, size: tuple[int, int]) -> np.ndarray:
    height, width = size
    return np.array(reference_latent.decode(data, width, height, 3, networks_of_the_document), np.uint8)


@pytest.mark.parametrize("finest", [0, 1])
def test_the_weights_are_those_of_the_document_in_its_order(finest):
    assert list(reference_latent.shapes(finest).items()) == list(weights.shapes(finest).items())


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_unpacking_inverts_packing(size, number, share):
    changes, symbols = change(number, share), draw(number, size)
    parts, found = decode(payload.pack(number, changes, symbols, size), size)
    assert parts.base is networks(number)
    assert (parts.changes is None) == (changes is None)
    expected = weight_changes.apply(networks(number), changes)
    assert all(np.array_equal(parts.weights[name], expected[name]) for name in weights.shapes(number))
    moved = [np.any(expected[name] != w) for name, w in networks(number).weights.items()]
    assert np.all(moved) if share else not np.any(moved)
    assert list(found) == list(symbols)
    assert all(np.array_equal(found[grid], symbols[grid]) for grid in symbols)


@pytest.mark.parametrize("size", [*SIZES[:-1], (16, 9)], ids=str)
@pytest.mark.parametrize("number", [0, 1])
def test_the_decoder_of_the_document_gives_the_same_pixels(size, number):
    data = payload.pack(number, change(number, 0.3), draw(number, size), size)
    pixels = image(data, size)
    np.testing.assert_array_equal(pixels, straight_line(data, size))
    assert pixels.size < 100 or len(np.unique(pixels)) > 20


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("signs", [True, False])
def test_the_largest_weights_and_symbols_decode_exactly(number, signs):
    size = 7, 9
    symbols = largest(number, size, signs)
    data = payload.pack(number, None, symbols, size)
    _, found = decode(data, size)
    assert all(np.array_equal(found[grid], symbols[grid]) for grid in symbols)
    np.testing.assert_array_equal(image(data, size), straight_line(data, size))


@pytest.mark.parametrize("number", [4, 5])
def test_the_largest_changes_are_exact(number):
    shapes = weights.shapes_of_groups(networks(number).finest)
    q = {group: np.full(shape, -weight_changes.LARGEST) for group, shape in shapes.items()}
    data = payload.pack(number, Changes(step=1, wider=0, integers=q), draw(number, (2, 3)), (2, 3))
    assert outcome(data, (2, 3)) is not None
    m, n = shapes["synthesis.2"]
    product = 3 * m * n * weight_changes.LARGEST * weights.LARGEST**2
    moved = payload.unpack(data).weights["synthesis.2"]
    assert np.all(moved == weights.LARGEST + (-product + 2**44 >> 45))


@pytest.mark.parametrize("number", NUMBERS)
def test_no_partial_sum_of_the_largest_passes_what_doubles_hold(number):
    w = {name: np.abs(v) for name, v in networks(number).weights.items()}
    symbols = {g: np.abs(q) for g, q in largest(number, (70, 70), signs=False).items()}
    grid = list(symbols)[-1]
    far = exact_context.features(w, grid.octave, symbols, grid.size(70, 70))
    network = exact_context.Network(w, len(symbols) - 1)
    near = exact_context.neighbors(symbols[grid])
    z = np.abs(network.first) @ exact_context.inputs(near, far.reshape(weights.FEATURES, -1))
    assert z[: weights.INPUTS].max() * 2**weights.BITS < 2**52
    hidden = np.full(weights.INPUTS + 1, 2.0**26)
    assert (z[weights.INPUTS :].max(axis=1) + np.abs(network.third) @ hidden).max() < 2**52
    assert (np.abs(network.second) @ hidden).max() * 2**weights.BITS < 2**52
    for name in ("synthesis.1", "synthesis.2"):
        assert w[name].sum(axis=1).max() * 2**28 + 2**32 < 2**52


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(
    "rows", [(0, 1), (0, 36), (1, 2), (5, 30), (15, 16), (16, 33), (31, 37), (36, 37), (9, 9)]
)
def test_part_of_the_rows_equals_them_in_the_whole(number, rows):
    size, w = (37, 45), networks(number).weights
    symbols = draw(number, size)
    whole = exact_synthesis.image(w, symbols, size, (0, 37))
    np.testing.assert_array_equal(exact_synthesis.image(w, symbols, size, rows), whole[slice(*rows)])


def in_floats(number: int, symbols: Symbols) -> tuple[model.Weights, list[jax.Array]]:
    w = {name: jnp.asarray(v / 2**weights.BITS, jnp.float32) for name, v in networks(number).weights.items()}
    return w, [jnp.asarray(values, jnp.float32) for values in symbols.values()]


def test_the_bits_of_the_float_model_agree():
    size, base = (37, 45), networks(0)
    symbols = draw(0, size)
    bits = FAST(functools.partial(model.bits, finest=base.finest))(*in_floats(0, symbols))
    exact = bits_of_symbols(base.weights, base.finest, symbols, size)
    assert exact == pytest.approx(float(bits), rel=0.01)


@pytest.mark.parametrize("number", [0, 1])
def test_the_pixels_of_the_float_model_agree(number):
    size, base = (37, 45), networks(number)
    symbols = draw(number, size)
    floats = FAST(functools.partial(model.image, finest=base.finest, size=size))(*in_floats(number, symbols))
    levels = 255 * np.clip(np.asarray(floats, np.float64).transpose(1, 2, 0), 0, 1)
    pixels = exact_synthesis.image(base.weights, symbols, size, (0, size[0]))
    assert np.mean((levels > 0) & (levels < 255)) > 0.2
    assert np.abs(pixels - levels).max() < 0.6


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_bytes_are_within_one_of_the_bits(share):
    size, changes = (37, 45), change(0, share)
    symbols, base = draw(0, size), networks(0)
    changed = weight_changes.apply(base, changes)
    bits = weight_changes.bits(base, changes) + bits_of_symbols(changed, base.finest, symbols, size)
    expected = 1 + bits / 8
    assert len(payload.pack(0, changes, symbols, size)) == pytest.approx(expected, abs=2)


def header(channels: int, size: tuple[int, int]) -> container.Header:
    return container.Header(codec="late", width=size[1], height=size[0], channels=channels)


def joined(content: bytes, channels: int, size: tuple[int, int]) -> np.ndarray:
    """Decode a payload."""
    whole = 0, 0, size[1], size[0]
    return latent.decode(content, header(channels, size), size=whole[2:], region=whole)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("opaque", [True, False])
def test_the_decoder_of_the_document_joins_the_same_color_and_alpha(channels, opaque):
    size = 5, 3
    content = color = payload.pack(0, None, draw(0, size), size)
    alpha = b"" if opaque else payload.pack(1, None, draw(1, size), size)
    if channels in (2, 4):
        content = container.varint(len(color)) + color + alpha
    pixels = joined(content, channels, size)
    found = np.array(reference_latent.decode(content, 3, 5, channels, networks_of_the_document))
    np.testing.assert_array_equal(pixels, found)
    assert (pixels[..., -1].min() == 255) == (opaque and channels in (2, 4))
    part = latent.decode(content, header(channels, size), size=(3, 5), region=(1, 2, 2, 3))
    np.testing.assert_array_equal(part, pixels[2:5, 1:3])


@settings(max_examples=40)
@given(st.sampled_from([b"", b"\x00", b"\x02", b"\x81\x00", b"\x07"]), st.binary(max_size=6))
def test_both_decoders_agree_on_which_parts_of_a_payload_are_damaged(first, content):
    try:
        found = reference_latent.decode(first + content, 1, 2, 2, networks_of_the_document)
    except Damaged:
        with pytest.raises(container.FormatError):
            joined(first + content, 2, (2, 1))
    else:
        np.testing.assert_array_equal(joined(first + content, 2, (2, 1)), found)


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


@settings(max_examples=60)
@given(numbers, st.booleans(), st.binary(max_size=200), sizes)
def test_both_decoders_agree_on_arbitrary_streams(number, changed, content, size):
    outcome(bytes([number + 128 * changed]) + content, size)


@settings(max_examples=25)
@given(numbers, st.booleans(), st.integers(0, 99), st.data())
def test_both_decoders_agree_on_damaged_streams(number, changed, seed, draws):
    size = 5, 6
    data = bytearray(payload.pack(number, change(number, 0.2 * changed, seed), draw(number, size, 9.0), size))
    at = draws.draw(st.integers(0, len(data) - 1))
    kind = draws.draw(st.sampled_from(("cut", "extend", "replace")))
    if kind == "cut":
        del data[at:]
    elif kind == "extend":
        data += draws.draw(st.binary(min_size=1, max_size=20))
    else:
        data[at] = draws.draw(st.integers(0, 255))
    outcome(bytes(data), size)


@pytest.mark.parametrize(
    ("step", "wider", "kept"),
    [(31, 128, True), (0, -128, True), (32, 0, False), (-1, 0, False), (0, 129, False), (0, -129, False)],
)
def test_settings_of_changes_out_of_range_are_damage(step, wider, kept):
    zeros = change(0, 1e-9)
    data = payload.pack(0, dataclasses.replace(zeros, step=step, wider=wider), draw(0, (1, 1)), (1, 1))
    assert (outcome(data, (1, 1)) is not None) == kept


@pytest.mark.parametrize("over", [0, 1])
def test_integers_of_changes_out_of_range_are_damage(over):
    zeros = change(0, 1e-9)
    zeros.integers["sharpening"][1, 2] = weight_changes.LARGEST + over
    data = payload.pack(0, dataclasses.replace(zeros, step=0), draw(0, (1, 1)), (1, 1))
    assert (outcome(data, (1, 1)) is None) == bool(over)


def test_a_weight_beyond_the_largest_is_damage():
    grown = change(0, 1e-9)
    grown.integers["synthesis.2"][:] = weight_changes.LARGEST
    encoder = coder.Encoder()
    weight_changes.put(encoder, networks(0), dataclasses.replace(grown, step=31))
    assert outcome(b"\x80" + encoder.finish(), (1, 1)) is None


def test_codes_of_levels_are_far_from_ties():
    u = 2.0 ** ((64 - np.arange(128)) / 8)
    codes = 8 * np.log2(16 / np.log2(u + np.sqrt(u * u + 1)))
    assert np.abs(codes % 1 - 0.5).min() > 1e-3
    assert [reference_latent.code(level) for level in range(128)] == np.rint(codes).tolist()


@pytest.mark.parametrize("data", [b"", b"\x7f", b"\xff\x00", b"\x06"])
def test_no_stream_and_unknown_networks_are_refused(data):
    assert outcome(data, (2, 2)) is None
    if data:
        with pytest.raises(container.FormatError, match="update dfm"):
            REAL(data[0] & 127 | 64)


def test_symbols_out_of_range_are_damage():
    size = 3, 2
    for over in (0, 1):
        symbols = draw(0, size)
        symbols[list(symbols)[-1]][1, 0] = exact_context.LARGEST + over
        data = payload.pack(0, None, symbols, size)
        assert (outcome(data, size) is None) == bool(over)
