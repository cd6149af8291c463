"""Pooling and its inverses, against loops and each other."""

import jax
import jax.numpy as jnp
import numpy as np

from models.layers import resampling

X = jnp.asarray(np.random.default_rng(0).normal(size=(2, 4, 6, 3)), jnp.float32)
pool, unpool = jax.jit(resampling.max_pool), jax.jit(resampling.unpool)


def test_pooling_takes_the_largest_of_each_block_and_tells_where_it_was():
    pooled, places = pool(X)
    for at in np.ndindex(2, 2, 3, 3):
        b, i, j, c = at
        block = np.asarray(X)[b, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c].ravel()
        assert pooled[at] == block.max()
        assert places[at] == block.argmax()


def test_unpooling_puts_values_back_where_pooling_found_them():
    pooled, places = pool(X)
    restored = np.asarray(unpool(pooled, places))
    assert (restored != 0).sum() == pooled.size
    np.testing.assert_array_equal(restored[restored != 0], np.asarray(X)[restored != 0])


def test_pooling_inverts_unpooling():
    pooled, places = pool(jnp.abs(X))
    again, same = pool(unpool(pooled, places))
    np.testing.assert_array_equal(again, pooled)
    np.testing.assert_array_equal(same, places)


def test_of_equal_values_one_gets_the_gradient():
    slopes = jax.jit(jax.grad(lambda x: resampling.max_pool(x)[0].sum()))(jnp.zeros((1, 2, 2, 1)))
    np.testing.assert_array_equal(slopes[0, :, :, 0], [[1, 0], [0, 0]])


def test_a_bed_of_nails_has_values_at_the_top_left_and_zeros_elsewhere():
    bed = np.asarray(jax.jit(resampling.bed_of_nails)(X))
    assert bed.shape == (2, 8, 12, 3)
    np.testing.assert_array_equal(bed[:, ::2, ::2], X)
    assert (bed != 0).sum() == X.size


def test_the_nearest_neighbor_fills_a_block():
    doubled = np.asarray(jax.jit(resampling.nearest)(X))
    for i, j in np.ndindex(2, 2):
        np.testing.assert_array_equal(doubled[:, i::2, j::2], X)
