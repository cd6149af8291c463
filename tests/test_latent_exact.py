"""Streams of the latent codec: packed, unpacked and decoded in integers, and held against the document."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dfm import container, laplace
from dfm.codecs import latent
from dfm.codecs.latent import exact_context, exact_synthesis, model, payload, weight_changes, weights
from dfm.codecs.latent.exact_context import Symbols
from dfm.codecs.latent.weight_changes import Changes
from tests import reference_latent
from tests.streams import (
    NUMBERS,
    change,
    decode,
    draw,
    header,
    image,
    joined,
    largest,
    networks,
    networks_of_the_document,
    outcome,
    straight_line,
)

pytestmark = pytest.mark.usefixtures("made_networks")

SIZES = [(1, 1), (1, 9), (9, 1), (2, 3), (8, 5), (37, 45)]  # height, width
FAST = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})  # to compile


def bits_of_symbols(changed: weights.Integers, finest: int, symbols: Symbols, size: tuple[int, int]) -> float:
    """Give the bits that all grids take in a stream."""
    return sum(float(laplace.bits(*codes).sum()) for codes in payload.coded(changed, finest, symbols, size))


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


def test_codes_of_levels_are_far_from_ties():
    u = 2.0 ** ((64 - np.arange(128)) / 8)
    codes = 8 * np.log2(16 / np.log2(u + np.sqrt(u * u + 1)))
    assert np.abs(codes % 1 - 0.5).min() > 1e-3
    assert [reference_latent.code(level) for level in range(128)] == np.rint(codes).tolist()
