"""Corruptions do to values what they say."""

import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from models.layers import corruption

IMAGES = jnp.full((4, 50, 50, 2), 0.6)
LEVEL = 0.3


def corrupted(name, level=LEVEL):
    return np.asarray(corruption.apply(name, IMAGES, level, jax.random.key(0)))


@pytest.mark.parametrize("name", typing.get_args(corruption.Name))
def test_a_level_of_zero_changes_nothing(name):
    np.testing.assert_array_equal(corrupted(name, 0.0), IMAGES)


def test_gaussian_noise_has_the_deviation():
    change = corrupted("gaussian") - 0.6
    assert change.mean() == pytest.approx(0, abs=0.01)
    assert change.std() == pytest.approx(LEVEL, rel=0.02)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("masking", {0.0: 0.3, 0.6: 0.7}),
        ("salt_and_pepper", {0.0: 0.15, 0.6: 0.7, 1.0: 0.15}),
        ("dropout", {0.0: 0.3, 0.6 / 0.7: 0.7}),
    ],
)
def test_the_others_leave_so_many_of_each_value(name, values):
    found, counts = np.unique(corrupted(name), return_counts=True)
    np.testing.assert_allclose(found, list(values), rtol=1e-6)
    np.testing.assert_allclose(counts / IMAGES.size, list(values.values()), atol=0.02)
