import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfm import coder
from dfm.container import FormatError
from tests import reference_decoder

TOTAL = 2**coder.TOTAL_BITS

widths = st.integers(0, 47)
plain = st.lists(widths.flatmap(lambda n: st.tuples(st.integers(0, 2**n - 1), st.just(n))), max_size=40)
masses = st.lists(st.integers(0, 2**31), min_size=3, max_size=50).filter(any)


def columns(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    values, widths = np.array(pairs, np.int64).reshape(-1, 2).T
    return values, widths


@settings(max_examples=50)
@given(st.lists(plain, max_size=4))
def test_plain_bits_of_any_widths_come_back_and_cost_their_number(calls):
    encoder = coder.Encoder()
    for pairs in calls:
        encoder.plain(*columns(pairs))
    data = encoder.finish()
    assert 8 * len(data) <= sum(width for pairs in calls for _, width in pairs) + 8.01
    decoder = coder.Decoder(data)
    for pairs in calls:
        values, widths = columns(pairs)
        assert np.array_equal(decoder.plain(widths), values)


@settings(max_examples=50)
@given(st.lists(st.tuples(masses, st.randoms(), plain), max_size=4))
def test_classes_and_plain_bits_come_back_in_turns(calls):
    encoder, drawn = coder.Encoder(), []
    for mass, random, pairs in calls:
        shares = np.repeat(coder.shares(np.array([mass], np.int64)), 20, axis=0)
        symbols = np.array(random.choices(range(len(mass)), k=20))
        drawn.append((symbols, shares))
        encoder.classes(symbols, shares)
        encoder.plain(*columns(pairs))
    data = encoder.finish()
    decoder, reference = coder.Decoder(data), reference_decoder.RangeDecoder(data)
    for (symbols, shares), (_, _, pairs) in zip(drawn, calls, strict=True):
        frequencies = shares[0].astype(int) + 1
        assert np.array_equal(decoder.classes(shares), symbols)
        assert [reference.symbol(frequencies.tolist()) for _ in symbols] == symbols.tolist()
        values, widths = columns(pairs)
        assert np.array_equal(decoder.plain(widths), values)
        for first in (0, 16, 32):
            for value, width in pairs:
                if width > first:
                    size = min(16, width - first)
                    assert reference.plain(size) == (value >> first) % 2**size


@settings(max_examples=50)
@given(plain.filter(bool))
def test_no_byte_at_the_end_can_be_left_out(pairs):
    values, widths = columns(pairs)
    encoder = coder.Encoder()
    encoder.plain(values, widths)
    data = encoder.finish()
    if data:
        with contextlib.suppress(FormatError):
            assert not np.array_equal(coder.Decoder(data[:-1]).plain(widths), values)


@given(masses, st.integers(0, 2))
def test_shares_follow_the_mass_and_sum_to_the_total(mass, rest):
    n = len(mass)
    (shares,) = coder.shares(np.array([mass], np.int64), rest=rest).astype(np.int64)
    assert shares.sum() + n == TOTAL
    others = np.arange(n) != rest
    exact = (TOTAL - n) * np.array(mass) / sum(mass)
    assert np.abs(shares - exact)[others].max() <= 1
    assert 0 <= shares[rest] - exact[rest] + 1 <= n + 1


def test_costs_are_those_of_the_frequencies():
    mass = np.array([[5, 0, 3, 0]])
    assert coder.costs(coder.shares(mass))[0] == pytest.approx(
        [-np.log2(5 / 8), 24, -np.log2(3 / 8), 24], rel=1e-5
    )


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 2**40])
def test_values_beyond_int32_raise_format_error(value):
    inside = np.array([2**31 - 1, -(2**31)])
    assert np.array_equal(coder.int32(inside), inside)
    with pytest.raises(FormatError, match="damaged"):
        coder.int32(np.array([0, value]))


@given(st.binary(max_size=40))
def test_arbitrary_bytes_give_plain_bits_or_a_format_error(data):
    widths = np.arange(48)
    with contextlib.suppress(FormatError):
        values = coder.Decoder(data).plain(widths)
        assert np.all((values >= 0) & (values < 1 << widths))
