import decimal
import hashlib
import itertools
import math

import numpy as np
import pytest
import threadpoolctl
from hypothesis import given
from hypothesis import strategies as st

from dfm import exact
from dfm.container import FormatError

TURN = 2**exact.PHASE_BITS
AMPLITUDE = 2**exact.AMPLITUDE_BITS
FIRST = np.array([(a, b) for b in range(4) for a in range(-3, 4) if b or a >= 0])


def draw(
    seed: int, widths: list[int], first: np.ndarray | None = None, std: float = 0.02
) -> list[np.ndarray]:
    """Draw the layers of a network of these widths, coefficients of deviation `std`."""
    rng = np.random.default_rng(seed)
    counts = [2 * 2**m - 1 for m in widths[:-1]]
    if first is not None:
        counts[0] = 2 * len(first) - np.count_nonzero(~first.any(axis=1))
    scale = std * 2**exact.WEIGHT_BITS
    return [
        np.rint(rng.normal(0, scale, (f, n))).astype(np.int64)
        for f, n in zip(counts, widths[1:], strict=True)
    ]


def frequencies(m: int) -> list[tuple[int, ...]]:
    return [k[::-1] for k in itertools.product((0, 1), repeat=m)]


def straight_line(layers: list[np.ndarray], x: list[int], first: list | None, bits: int) -> list[int]:
    """Evaluate a network at one position in Python's integers, term by term."""
    for i, w in enumerate(layers):
        ks = first if first is not None and i == 0 else frequencies(len(x))
        phases = [sum(a * b for a, b in zip(k, x, strict=True)) % TURN for k in ks]
        sines = [p - TURN // 4 for k, p in zip(ks, phases, strict=True) if any(k)]
        basis = [math.floor(AMPLITUDE * math.cos(2 * math.pi * p / TURN) + 0.5) for p in phases + sines]
        shift = bits + exact.AMPLITUDE_BITS - exact.PHASE_BITS
        sums = [sum(f * int(v) for f, v in zip(basis, column, strict=True)) for column in w.T]
        y = [(total + 2 ** (shift - 1)) >> shift for total in sums]
        x = [a + b for a, b in zip(x, y, strict=True)] if len(x) == len(y) else y
    return x


def in_floats(layers: list[np.ndarray], x: np.ndarray, first: np.ndarray | None) -> np.ndarray:
    """Evaluate a network in float64, positions in turns."""
    for i, w in enumerate(layers):
        k = first if first is not None and i == 0 else np.array(frequencies(len(x)))
        phases = 2 * np.pi * (k @ x)
        y = w.T / 2**exact.WEIGHT_BITS @ np.concatenate([np.cos(phases), np.sin(phases)[k.any(axis=1)]])
        x = y + x if y.shape == x.shape else y
    return x


def high_precision_cosines() -> list[float]:
    """Give 2^15 cos(2 pi i / 2^16) for a quarter turn in integers, as distances above the table's values."""
    bits = 100
    one = 1 << bits

    def arctan_of_inverse(n: int) -> int:
        terms = ((-1) ** j * (one // n ** (2 * j + 1)) // (2 * j + 1) for j in range(60))
        return sum(terms)

    turn = 8 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239))
    differences = []
    for i, value in enumerate(exact.cosines()[: TURN // 4 + 1]):
        angle = turn * i >> exact.PHASE_BITS
        term, total = one, one
        for j in range(1, 32, 2):
            term = -(term * angle >> bits) * angle // (j * (j + 1)) >> bits
            total += term
        differences.append(((total << exact.AMPLITUDE_BITS) - (int(value) << bits)) / one)
    return differences


def test_cosines_are_rounded_with_a_margin_no_libm_can_cross():
    differences = high_precision_cosines()
    assert max(map(abs, differences)) < 0.5 - 1e-6


def test_cosines_are_pinned_and_symmetric():
    table = exact.cosines()
    assert (
        hashlib.sha256(table.astype("<i4").tobytes()).hexdigest()
        == "19003d6c42f518e7220faf3ca16a7d441825aba50f40589eb6ce6e77aed67c6a"
    )
    turn = table[:TURN]
    assert np.array_equal(turn[1:], turn[:0:-1])
    assert np.array_equal(turn[: TURN // 2], -turn[TURN // 2 :])
    assert np.array_equal(table[TURN:], turn[: 3 * TURN // 4])


def test_thresholds_are_rounded_with_a_margin_no_libm_can_cross():
    for p, threshold in enumerate(exact.thresholds().tolist(), 1):
        u = (decimal.Decimal(2 * p - 1) / (511 - 2 * p)).ln() * TURN / 2
        assert (threshold - 1 + 1e-6 < u < threshold - 1e-6) or (p == 128 and threshold == 0)


def test_pixels_are_rounded_tanh():
    u = np.arange(-5 * TURN, 5 * TURN)
    expected = np.floor(127.5 * np.tanh(u / TURN) + 128).astype(np.uint8)
    assert np.array_equal(exact.pixels(u), expected)
    assert exact.pixels(np.array([-(2**60), 2**60])).tolist() == [0, 255]


@pytest.mark.parametrize(
    ("widths", "first"),
    [([2, 3], None), ([1, 1, 1], None), ([2, 2, 5, 5, 3], None), ([2, 6, 6, 4], FIRST), ([2, 2, 1], FIRST)],
)
@pytest.mark.parametrize("bits", [exact.WEIGHT_BITS, 9, 20])
def test_network_equals_a_straight_line_evaluation(widths, first, bits):
    layers = draw(0, widths, first)
    x = np.random.default_rng(1).integers(-(2**18), 2**18, (widths[0], 7))
    ks = None if first is None else first.tolist()
    expected = [straight_line(layers, point, ks, bits) for point in x.T.tolist()]
    assert exact.Network(layers, widths[0], first=first, bits=bits)(x).T.tolist() == expected


@pytest.mark.parametrize("first", [None, FIRST])
def test_network_is_close_to_real_arithmetic(first):
    layers = draw(2, [2, 6, 6, 6, 6, 3], first)
    x = np.random.default_rng(3).integers(-TURN // 4, TURN // 4, (2, 1000))
    u = exact.Network(layers, 2, first=first)(x) / TURN
    assert np.abs(u - in_floats(layers, x / TURN, first)).max() < 2e-3
    assert np.std(u) > 0.1


def test_activations_only_matter_modulo_one_turn_but_for_the_residual():
    layers = draw(4, [2, 6, 3])
    x = np.random.default_rng(5).integers(-TURN, TURN, (2, 50))
    network = exact.Network(layers, 2)
    assert np.array_equal(network(x), network(x + TURN * np.array([[3], [-7]])))
    square = exact.Network(draw(4, [2, 2]), 2)
    assert np.array_equal(square(x + 5 * TURN), square(x) + 5 * TURN)


@pytest.mark.parametrize(
    ("blas", "threads", "block"), [(1, 1, 17), (2, 1, 16), (2, 2, 17), (1, 3, 10), (1, 99, 19)]
)
def test_bits_do_not_depend_on_threads_or_blocks(blas, threads, block, monkeypatch):
    layers = draw(6, [2, 6, 6, 6, 3], FIRST)
    columns, rows = exact.positions(61), exact.positions(37)
    expected = exact.image(layers, columns, rows, first=FIRST, threads=1)
    monkeypatch.setattr(exact, "_BLOCK_VALUES", 1 << block)
    monkeypatch.setattr(exact, "_STRIP", 500)
    with threadpoolctl.threadpool_limits(blas, user_api="blas"):
        assert np.array_equal(exact.image(layers, columns, rows, first=FIRST, threads=threads), expected)


def test_image_is_the_network_at_each_position():
    layers = draw(7, [2, 5, 5, 4])
    columns, rows = exact.positions(9), exact.positions(4)
    grid = np.stack([np.tile(columns, 4), np.repeat(rows, 9)])
    expected = exact.pixels(exact.Network(layers, 2)(grid)).T.reshape(4, 9, 4)
    assert np.array_equal(exact.image(layers, columns, rows), expected)
    assert np.array_equal(exact.image(layers, columns[3:7], rows[1:3]), expected[1:3, 3:7])


@given(st.integers(1, 5000), st.integers(1, 2**20))
def test_positions_are_centered_even_and_rounded(size, span):
    places = exact.positions(size, span=span)
    centers = span * ((2 * np.arange(size) + 1) / (2 * size) - 0.5)
    assert np.all(np.abs(places - centers) <= 0.5 + 1e-9)
    assert np.array_equal(
        exact.positions(size, size // 3, size // 2, span=span), places[size // 3 : size // 2]
    )


def test_large_coefficients_raise_format_error_and_allowed_ones_are_exact():
    limit = (2**52 >> exact.AMPLITUDE_BITS) - 1
    layer = np.array([[limit - 8], [5], [-3]])
    x = np.array([[0, 1, TURN // 3, -7]])
    expected = [straight_line([layer], [v], None, 24) for v in x[0].tolist()]
    assert exact.Network([layer], 1, bits=24)(x).T.tolist() == expected
    with pytest.raises(FormatError, match="too large"):
        exact.Network([layer + 1], 1)


@pytest.mark.parametrize("rows", [6, 8, 14])
def test_layers_of_the_wrong_length_raise_format_error(rows):
    with pytest.raises(FormatError, match=f"{rows} rows of coefficients, not 7"):
        exact.Network([np.zeros((rows, 3), np.int64)], 2)
