import contextlib
import hashlib
import statistics

import constriction
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfm import coder, container, entropy

TOTAL = 2**coder.TOTAL_BITS

int32 = st.integers(-(2**31), 2**31 - 1) | st.integers(-3, 3)
codes = st.integers(0, entropy.CODES - 1)
parts = st.lists(st.tuples(st.lists(int32, max_size=50).map(np.array), codes), max_size=5)


def laplace(rng: np.random.Generator, mean: float, count: int) -> np.ndarray:
    return np.rint(rng.laplace(0, mean, count)).astype(np.int64)


@given(parts)
def test_decode_inverts_encode(parts):
    decoded = entropy.decode(entropy.encode(parts), [(len(q), code) for q, code in parts])
    assert [list(q) for q in decoded] == [list(q) for q, _ in parts]


@given(st.lists(st.tuples(int32, codes), max_size=300), st.randoms())
def test_one_code_for_each_integer_and_any_cut_into_calls(pairs, random):
    q, codes = np.array(pairs, np.int64).reshape(-1, 2).T
    cuts = sorted(random.choices(range(len(q) + 1), k=3))
    encoder = coder.Encoder()
    for part, part_codes in zip(np.split(q, cuts), np.split(codes, cuts), strict=True):
        entropy.put(encoder, part, part_codes)
    decoder = coder.Decoder(encoder.finish())
    decoded = [entropy.take(decoder, part_codes) for part_codes in np.split(codes, cuts)]
    assert np.array_equal(np.concatenate(decoded), q)


@pytest.mark.parametrize("code", range(0, entropy.CODES, 5))
def test_extreme_integers_are_codable(code):
    edges = np.array([2**k + d for k in range(31) for d in (-1, 0, 1)])
    q = np.concatenate([edges, -edges, [2**31 - 1, -(2**31)]])
    assert np.array_equal(entropy.decode(entropy.encode([(q, code)]), [(len(q), code)])[0], q)


def test_codes_of_any_integer_type_mean_the_same():
    q = np.arange(-100, 156, dtype=np.int16)
    codes = np.arange(256, dtype=np.uint8)
    encoder = coder.Encoder()
    entropy.put(encoder, q, codes)
    assert np.array_equal(entropy.take(coder.Decoder(encoder.finish()), codes.astype(np.int32)), q)
    assert entropy.bits(q, codes) == entropy.bits(q.astype(np.int64), codes.astype(np.int64))


def test_arrays_longer_than_a_block_and_empty_ones_are_coded():
    q = laplace(np.random.default_rng(0), 3, 10_000)
    none = np.array([], np.int64)
    data = entropy.encode([(none, 0), (q, 93), (none, 255)])
    assert [len(part) for part in entropy.decode(data, [(0, 0), (10_000, 93), (0, 255)])] == [0, 10_000, 0]
    assert np.array_equal(entropy.decode(data, [(10_000, 93)])[0], q)
    assert entropy.encode([(none, 0)]) == b""


def test_tables_are_pinned():
    tables = np.stack([entropy.table(code) for code in range(entropy.CODES)])
    digest = hashlib.sha256(tables.astype("<u4").tobytes()).hexdigest()
    assert digest == "8ef328999c9017bda45df3d27a90452ac2dfa8e2b9f59524635964531f280966"


@pytest.mark.parametrize("code", range(entropy.CODES))
def test_frequencies_are_positive_symmetric_and_sum_to_the_total(code):
    table = entropy.table(code)
    assert table.sum() == TOTAL
    assert table.min() >= 1
    assert np.array_equal(table[1::2], table[2::2])


@pytest.mark.parametrize("code", range(56))
def test_codes_below_56_are_two_sided_geometric_distributions(code):
    h = np.arange(1000)
    p = 2.0 ** -((16 - code % 8) * h / 2 ** (code // 8))
    check_small_magnitudes(code, p)


@pytest.mark.parametrize("code", range(44))
def test_codes_from_128_to_171_are_discrete_gaussians(code):
    h = np.arange(1000)
    p = 2.0 ** -((8 - code % 4) * h**2 / 2 ** (code // 4 - 1))
    check_small_magnitudes(128 + code, p)


def check_small_magnitudes(code: int, p: np.ndarray) -> None:
    p /= 2 * p.sum() - p[0]
    frequencies = entropy.table(code)[1:14:2]
    assert frequencies / TOTAL == pytest.approx(p[1:8], rel=1e-4, abs=4e-6)


@pytest.mark.parametrize("code", [*range(48, 120), *range(164, 248)])
def test_eight_codes_above_the_scale_doubles(code):
    assert np.array_equal(entropy.table(code), entropy.table(code + 8))
    q = np.arange(-500, 501)
    cost = entropy.bits(q, code) + len(q)
    assert entropy.bits(2 * q, code + 8) == pytest.approx(cost, rel=1e-12)


def test_the_coder_uses_the_tables_to_the_last_unit():
    model = constriction.stream.model.Categorical(perfect=False)
    unit = (2**64 - 1) // TOTAL
    for code in [*range(56), *range(128, 172)]:
        left = 0
        for symbol, frequency in enumerate(entropy.table(code).tolist()):
            encoder = constriction.stream.queue.RangeEncoder()
            encoder.encode(np.array([symbol], np.int32), model, np.float32(entropy.table(code) - 1)[None])
            assert encoder.pos() == (0, (unit * left, unit * frequency))
            left += frequency


def test_bytes_are_within_one_of_the_cost():
    rng = np.random.default_rng(1)
    excess = []
    for _ in range(200):
        arrays = [laplace(rng, 2.0 ** rng.uniform(-8, 12), rng.integers(300)) for _ in range(4)]
        parts = [(q, entropy.best_code(q)) for q in arrays]
        excess.append(len(entropy.encode(parts)) - sum(entropy.bits(q, code) for q, code in parts) / 8)
    assert max(excess) <= 1.1
    assert np.mean(excess) <= 0.5


@pytest.mark.parametrize("mean", [0.1, 0.5, 1, 3, 7.9, 8.1, 30, 1000, 5000])
def test_cost_is_close_to_that_of_the_laplace_distribution_drawn_from(mean):
    q = laplace(np.random.default_rng(2), mean, 20_000)
    p = np.where(q == 0, 1 - np.exp(-0.5 / mean), np.sinh(0.5 / mean) * np.exp(-np.abs(q) / mean))
    assert entropy.bits(q, entropy.best_code(q)) == pytest.approx(-np.log2(p).sum(), rel=0.01)


@pytest.mark.parametrize("deviation", [0.4, 0.7, 1, 3, 4.9, 5.1, 9.5, 10, 30, 1000])
def test_cost_is_close_to_that_of_the_gaussian_distribution_drawn_from(deviation):
    q = np.rint(np.random.default_rng(2).normal(0, deviation, 20_000)).astype(np.int64)
    values, counts = np.unique(q, return_counts=True)
    below = statistics.NormalDist(0, deviation).cdf
    p = np.array([below(v + 0.5) - below(v - 0.5) for v in values])
    assert entropy.bits(q, entropy.best_code(q)) == pytest.approx(-np.log2(p) @ counts, rel=0.004)


def test_zeros_cost_next_to_nothing():
    zeros = np.zeros(100_000, np.int64)
    assert entropy.bits(zeros, 0) / len(zeros) < 1e-4
    assert len(entropy.encode([(zeros, 0)])) < 20


@pytest.mark.parametrize("count", [1, 100, 5000])
def test_zero_bytes_at_the_end_are_left_out_and_read_back(count):
    zeros = np.zeros(count, np.int64)
    assert entropy.encode([(zeros, 40)]) == b""
    assert np.array_equal(entropy.decode(b"", [(count, 40)])[0], zeros)


@given(st.lists(int32, min_size=1, max_size=50).map(np.array))
def test_best_code_is_the_cheapest(q):
    costs = [entropy.bits(q, code) for code in range(entropy.CODES)]
    assert costs[entropy.best_code(q)] == pytest.approx(min(costs))


@given(st.binary(max_size=200), codes)
def test_arbitrary_bytes_decode_to_int32_or_raise(data, code):
    with contextlib.suppress(container.FormatError):
        (q,) = entropy.decode(data, [(500, code)])
        assert -(2**31) <= q.min() <= q.max() < 2**31


def test_impossible_states_raise_format_error():
    with pytest.raises(container.FormatError):
        entropy.decode(b"\xff" * 64, [(64, 93)])
