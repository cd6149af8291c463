import contextlib
import hashlib

import constriction
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfm import coder, laplace
from dfm.container import FormatError
from tests import reference_decoder, reference_latent

TOTAL = 2**coder.TOTAL_BITS
LARGEST = 2**30 - 1

symbols = st.integers(-LARGEST, LARGEST) | st.integers(-40, 40)
means = st.integers(-(2**20), 2**20) | st.integers(-99, 99)
scales = st.integers(0, laplace.CODES - 1)
triples = st.lists(st.tuples(symbols, means, scales), max_size=60)


def columns(triples: list[tuple[int, int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    q, means, scales = np.array(triples, np.int64).reshape(-1, 3).T
    return q, means, scales


def encoded(*runs: tuple[np.ndarray, np.ndarray, np.ndarray]) -> bytes:
    encoder = coder.Encoder()
    for run in runs:
        laplace.put(encoder, *run)
    return encoder.finish()


def draw(mean: float, scale: float, count: int) -> np.ndarray:
    """Round draws of Laplace's distribution; `scale` is its mean magnitude."""
    return np.rint(np.random.default_rng(0).laplace(mean, scale, count)).astype(np.int64)


def probabilities(q: np.ndarray, mean: float, scale: float) -> np.ndarray:
    """Integrate the density of Laplace's distribution over the units around `q`."""
    away = np.abs(q - mean)
    outside = np.exp(-away / scale) * np.sinh(0.5 / scale)
    within = 1 - np.exp(-0.5 / scale) * np.cosh(away / scale)
    return np.where(away > 0.5, outside, within)


@settings(max_examples=50)
@given(st.lists(triples, max_size=4))
def test_take_inverts_put(runs):
    data = encoded(*map(columns, runs))
    decoder, reference = coder.Decoder(data), reference_decoder.RangeDecoder(data)
    for run in runs:
        q, means, scales = columns(run)
        assert np.array_equal(laplace.take(decoder, means, scales), q)
        laws = list(zip(means.tolist(), scales.tolist(), strict=True))
        assert reference_latent.run(reference, laws) == q.tolist()


@pytest.mark.parametrize("scale", range(0, laplace.CODES, 4))
def test_extreme_symbols_and_means_are_codable(scale):
    edges = np.array([2**k + d for k in range(30) for d in (-1, 0)])
    q = np.concatenate([edges, -edges, np.arange(-40, 41)])
    for mean in (-(2**20), -17, 0, 31, 2**20):
        run = q, np.full(len(q), mean), np.full(len(q), scale)
        assert np.array_equal(laplace.take(coder.Decoder(encoded(run)), *run[1:]), q)


@settings(max_examples=50)
@given(st.lists(triples, min_size=2, max_size=3))
def test_runs_without_plain_bits_may_be_joined(runs):
    near = [[(mean // 32 + q % 9, mean, scale % 56) for q, mean, scale in run] for run in runs]
    joined = columns([triple for run in near for triple in run])
    assert not laplace.plain(*joined).any()
    assert encoded(joined) == encoded(*map(columns, near))


def test_tables_are_pinned():
    tables = np.stack([laplace.table(mean, scale) for scale in range(56) for mean in range(32)])
    digest = hashlib.sha256(tables.astype("<u4").tobytes()).hexdigest()
    assert digest == "7737a604f540958674d4acc1d320a3d021bedde00be75d412922dff3839ce544"


@pytest.mark.parametrize("scale", range(56))
def test_tables_are_those_of_the_document_positive_and_sum_to_the_total(scale):
    for fraction in range(32):
        table = laplace.table(fraction, scale)
        assert table.tolist() == reference_latent.table(scale, fraction)
        assert table.sum() == TOTAL
        assert table.min() >= 1


@pytest.mark.parametrize("code", [0, 13, 27, 40, 50, 55])
@pytest.mark.parametrize("fraction", [0, 1, 16, 31])
def test_tables_are_near_the_distribution(code, fraction):
    mean, scale = fraction / 32, 2 ** ((code - laplace.ZERO) / 8)
    q = np.arange(-15, 17)
    p = probabilities(q, mean, scale)
    frequencies = laplace.table(fraction, code)[1:-1] / TOTAL
    assert frequencies == pytest.approx(p, abs=1e-3)
    assert p @ np.log2(p / frequencies) < 3e-4


@pytest.mark.parametrize("code", [*range(0, 56, 5), 55])
def test_the_coder_uses_the_tables_to_the_last_unit(code):
    model = constriction.stream.model.Categorical(perfect=False)
    unit = (2**64 - 1) // TOTAL
    left = 0
    table = laplace.table(3 * code, code)
    for symbol, frequency in enumerate(table.tolist()):
        encoder = constriction.stream.queue.RangeEncoder()
        encoder.encode(np.array([symbol], np.int32), model, np.float32(table - 1)[None])
        assert encoder.pos() == (0, (unit * left, unit * frequency))
        left += frequency


@settings(max_examples=50)
@given(triples)
def test_bytes_are_within_one_of_the_bits(triples):
    run = columns(triples)
    assert len(encoded(run)) <= laplace.bits(*run).sum() / 8 + 1.1
    assert np.all(laplace.plain(*run) <= laplace.bits(*run))


@pytest.mark.parametrize("code", [0, 20, 40, 55, 56, 63, 64, 90, 120, 152])
@pytest.mark.parametrize("mean", [-1234, -7, 0, 16])
def test_cost_is_close_to_that_of_the_distribution_drawn_from(code, mean):
    scale = 2 ** ((code - laplace.ZERO) / 8)
    q = draw(mean / 32, scale, 20_000)
    bits = laplace.bits(q, np.full(len(q), mean), np.full(len(q), code)).sum()
    ideal = -np.log2(probabilities(q, mean / 32, scale)).sum()
    assert bits == pytest.approx(ideal, rel=0.01, abs=20)


@given(st.binary(max_size=120), st.integers(-(2**20), 2**20), st.data())
def test_arbitrary_bytes_give_integers_or_a_format_error(data, mean, draw):
    scales = np.array(draw.draw(st.lists(st.integers(0, laplace.CODES - 1), min_size=30, max_size=30)))
    with contextlib.suppress(FormatError):
        q = laplace.take(coder.Decoder(data), np.full(30, mean), scales)
        assert np.abs(q).max() < 2**46


def test_impossible_states_raise_format_error():
    with pytest.raises(FormatError):
        laplace.take(coder.Decoder(b"\xff" * 64), np.zeros(99, np.int64), np.full(99, 40))
