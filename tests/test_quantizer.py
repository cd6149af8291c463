"""Codebooks, against brute force, and their learning, against what it should arrive at."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from models.layers import quantizer
from models.layers.quantizer import Quantizer

_RANDOM = np.random.default_rng(0)
CENTERS = np.array([[0.0, 4.0], [5.0, 0.0], [-3.0, -3.0]], np.float32)
CLUSTERS = CENTERS[[0, 0, 0, 1, 1, 2] * 20] + _RANDOM.normal(0, 0.3, (120, 2)).astype(np.float32)
MEANS = np.stack([CLUSTERS.reshape(20, 6, 2)[:, part].mean((0, 1)) for part in (slice(3), slice(3, 5), [5])])


def learned(vectors, steps, size, levels=1, start=None):
    """Let a codebook follow vectors that stay."""
    made = Quantizer(size, vectors.shape[1], levels, "average", rngs=nnx.Rngs(0))
    if start is not None:
        made.codebook[...], made.uses[...] = start, jnp.ones(size)
    graph, state = nnx.split(made)

    def step(state, key):
        found = nnx.merge(graph, state, copy=True)
        found.learn(found(vectors), key)
        return nnx.state(found), None

    keys = jax.random.split(jax.random.key(0), steps)
    return nnx.merge(graph, jax.jit(lambda state: jax.lax.scan(step, state, keys))(state)[0])


def test_the_nearest_code_is_exact():
    codebook, vectors = (_RANDOM.normal(size=(n, 5)).astype(np.float32) for n in (40, 300))
    distances = ((vectors[:, None] - codebook) ** 2).sum(-1)
    np.testing.assert_array_equal(quantizer.nearest(codebook, vectors), distances.argmin(1))


def test_a_gradient_passes_straight_through():
    vectors, quantized, weights = (jnp.asarray(_RANDOM.normal(size=(4, 3)), jnp.float32) for _ in range(3))

    def judged(x):
        return jnp.sum(weights * jnp.sin(x))

    through = jax.grad(lambda v, q: judged(quantizer.straight_through(v, q)), (0, 1))(vectors, quantized)
    np.testing.assert_allclose(through[0], jax.grad(judged)(quantized), rtol=1e-5)
    np.testing.assert_array_equal(through[1], 0)


def test_a_moving_average_arrives_at_the_means_of_clusters():
    found = learned(CLUSTERS, 1500, 3, start=jnp.asarray(CENTERS) + 0.5)
    np.testing.assert_allclose(found.codebook[...], MEANS, atol=1e-4)
    np.testing.assert_allclose(found.uses[...], [1.5, 1.0, 0.5], atol=1e-4)


def by_gradient(codebook):
    """Make a quantizer of a codebook that learns by gradient."""
    made = Quantizer(*codebook.shape, 1, "gradient", rngs=nnx.Rngs(0))
    made.codebook[...] = codebook
    return made


def test_codes_learned_by_gradient_rest_at_the_means_of_clusters():
    def learning(codebook):
        made = by_gradient(codebook)
        return made.learn(made(jnp.asarray(CLUSTERS)), jax.random.key(0))

    slope = jax.jit(jax.grad(learning))
    np.testing.assert_allclose(slope(jnp.asarray(MEANS)), 0, atol=1e-5)
    assert (slope(jnp.asarray(MEANS) + 0.1) > 0).all()


def test_a_commitment_moves_vectors_to_their_codes_and_no_codes():
    def committed(vectors, codebook):
        return quantizer.commitment(by_gradient(codebook)(vectors))

    slopes = jax.jit(jax.grad(committed, (0, 1)))(jnp.asarray(CLUSTERS), jnp.asarray(CENTERS))
    wanted = CLUSTERS - CENTERS[quantizer.nearest(CENTERS, CLUSTERS)]
    np.testing.assert_allclose(slopes[0], 2 * wanted / CLUSTERS.size, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(slopes[1], 0)


def test_a_code_that_goes_unused_for_long_becomes_a_vector_of_the_batch():
    start = jnp.concatenate([CENTERS, jnp.full((1, 2), 100.0)])
    soon, late = (learned(CLUSTERS, steps, 4, start=start) for steps in (220, 240))
    np.testing.assert_allclose(soon.codebook[...][3], 100, rtol=1e-5)
    assert np.abs(late.codebook[...][3] - CENTERS).min() < 2
    np.testing.assert_allclose(soon.codebook[...][:3], MEANS, atol=0.3)


def test_the_first_batch_chooses_the_codebook():
    found = learned(CLUSTERS + 100, 1, 8)
    assert np.abs(found.codebook[...] - 100).max() < 10


def test_residual_levels_lower_the_error():
    vectors = _RANDOM.normal(size=(400, 4)).astype(np.float32)
    errors = []
    for levels in (1, 2, 3):
        found = learned(vectors, 200, 16, levels)
        codes = found(vectors).codes
        assert codes.shape == (400, levels)
        errors.append(np.mean((found.vectors(codes) - vectors) ** 2))
    assert errors[1] < 0.7 * errors[0]
    assert errors[2] < 0.7 * errors[1]


def test_a_level_quantizes_what_those_before_leave():
    found = Quantizer(16, 4, 3, "average", rngs=nnx.Rngs(0))(vectors := _RANDOM.normal(size=(2, 5, 4)))
    np.testing.assert_allclose(found.residuals[:, :, 2], vectors - found.chosen[:, :, :2].sum(2), atol=1e-5)


@pytest.mark.parametrize(("codes", "wanted"), [(np.arange(24) % 8, 8), (np.full(5, 3), 1), ([0, 1], 2)])
def test_perplexity_is_the_number_of_codes_in_equal_use(codes, wanted):
    np.testing.assert_allclose(quantizer.perplexity(jnp.asarray(codes)[:, None], 8), wanted, rtol=1e-5)
