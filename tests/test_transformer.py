"""The Transformer: whom a code sees, what it learns, and its sampling against the plain way."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from models import transformer
from models.layers.attention import Attention
from tests.test_pixelcnn import excess, influence, make, singles, uncached


def test_a_code_sees_every_code_before_it_and_none_after():
    found = influence(make(transformer, (3, 4), codes=12, width=8, layers=1, heads=2))
    np.testing.assert_array_equal(found > 0, np.tri(12, k=-1, dtype=bool))


def test_a_code_sees_the_class():
    model = make(transformer, (3, 3), codes=3, width=8)
    one, other = jax.jit(model)(jnp.zeros((2, 3, 3), int), jnp.arange(2))
    assert (one != other).any(-1).all()


def test_sampling_with_a_cache_draws_what_whole_sequences_do():
    model = make(transformer, (3, 4), codes=5, width=8)
    model.last.kernel[...] *= 100  # small differences change draws
    keys, labels = jax.random.split(jax.random.key(0), 3), jnp.array([0, 1, 1])
    drawn = singles(transformer, model, keys, labels)
    for codes, key, label in zip(drawn, keys, labels, strict=True):
        np.testing.assert_array_equal(codes, uncached(model, key, label))


def test_the_loss_falls_to_the_entropy_of_a_markov_chain():
    model = make(transformer, (5, 2), codes=3, width=16, layers=1)
    assert abs(excess(transformer, model)) < 0.02


def test_heads_need_equal_parts_of_the_width():
    with pytest.raises(ValueError, match="a width of 9 does not split over 2 heads"):
        Attention(9, 2, rngs=nnx.Rngs(0))
