"""Damaged streams of the latent codec: both decoders, ours and the document's, agree on what is damage."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfm import container
from dfm.codecs.latent import exact_context, payload, weight_changes, weights
from tests import reference_latent
from tests.reference_decoder import Damaged
from tests.streams import NUMBERS, change, draw, joined, networks_of_the_document, outcome

REAL = weights.base

pytestmark = pytest.mark.usefixtures("made_networks")

sizes = st.tuples(st.integers(1, 7), st.integers(1, 7))
numbers = st.sampled_from(NUMBERS)


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


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_weight_beyond_the_largest_is_the_largest(sign):
    grown = change(0, 1e-9)
    grown.integers["synthesis.2"][:] = sign * weight_changes.LARGEST
    data = payload.pack(0, dataclasses.replace(grown, step=31), draw(0, (1, 1)), (1, 1))
    assert outcome(data, (1, 1)) is not None
    assert np.abs(payload.unpack(data).weights["synthesis.2"]).max() == weights.LARGEST


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
