"""Diagonal normal distributions, against sampling and SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from models.layers import normal

_MEAN, _LOG = jnp.array([[0.3, -2.0, 0.0]]), jnp.array([[-1.0, 0.5, 0.0]])
ONE = normal.Normal(_MEAN, _LOG)


def test_the_divergence_in_closed_form_is_that_of_sampling():
    z = normal.sample(normal.Normal(*(jnp.repeat(v, 200_000, 0) for v in ONE)), jax.random.key(0))
    ratio = normal.log_density(ONE, z) - stats.norm.logpdf(z)
    np.testing.assert_allclose(normal.kl(ONE)[0], ratio.mean(0), atol=5 * ratio.std() / len(z) ** 0.5)


def test_the_divergence_is_zero_at_the_prior_alone():
    assert normal.kl(ONE)[0, 2] == 0
    assert (normal.kl(ONE)[0, :2] > 0).all()


def test_the_density_is_that_of_scipy():
    x = jnp.array([[0.1, 1.0, -1.0]])
    np.testing.assert_allclose(
        normal.log_density(ONE, x), stats.norm.logpdf(x, _MEAN, np.exp(_LOG)), rtol=1e-5
    )


def test_halves_are_means_and_bounded_log_deviations():
    found = normal.halves(jnp.array([[1.0, -700.0, 0.01, 900.0]]))
    np.testing.assert_array_equal(found.mean, [[1.0, -700.0]])
    np.testing.assert_allclose(found.log_deviation, [[0.01, 5.0]], rtol=1e-3)


def test_samples_have_the_moments():
    z = normal.sample(normal.Normal(*(jnp.repeat(v, 100_000, 0) for v in ONE)), jax.random.key(1))
    np.testing.assert_allclose(z.mean(0), _MEAN[0], atol=0.03)
    np.testing.assert_allclose(z.std(0), np.exp(_LOG[0]), rtol=0.02)


def test_the_divergence_between_two_is_that_of_sampling():
    other = normal.Normal(jnp.array([[0.0, -1.0, 1.0]]), jnp.array([[0.3, 0.7, -0.2]]))
    z = normal.sample(normal.Normal(*(jnp.repeat(v, 200_000, 0) for v in ONE)), jax.random.key(0))
    ratio = normal.log_density(ONE, z) - normal.log_density(other, z)
    np.testing.assert_allclose(
        normal.kl_between(ONE, other)[0], ratio.mean(0), atol=5 * ratio.std() / len(z) ** 0.5
    )
    np.testing.assert_allclose(-normal.log_ratio(other, ONE, z), ratio.sum(1), rtol=1e-4, atol=1e-4)
