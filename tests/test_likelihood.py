"""Likelihoods of images, against SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from models.layers import likelihood

_RANDOM = np.random.default_rng(0)
IMAGES, MEAN = _RANDOM.uniform(size=(2, 5, 4, 3, 1)).astype(np.float32)
LOG = jnp.asarray(-0.7)


def total(values):
    return values.sum(axis=(1, 2, 3))


def test_densities_are_those_of_scipy():
    gaussian = total(stats.norm.logpdf(IMAGES, MEAN, np.exp(-0.7)))
    laplace = total(stats.laplace.logpdf(IMAGES, MEAN, np.exp(-0.7)))
    np.testing.assert_allclose(likelihood.gaussian(MEAN, LOG, IMAGES), gaussian, rtol=1e-5)
    np.testing.assert_allclose(likelihood.laplace(MEAN, LOG, IMAGES), laplace, rtol=1e-5)


def test_black_and_white_has_the_mass_of_scipy():
    binary, logits = (IMAGES > 0.5).astype(np.float32), 3 * MEAN - 1
    wanted = total(stats.bernoulli.logpmf(binary, 1 / (1 + np.exp(-logits))))
    np.testing.assert_allclose(likelihood.bernoulli(logits, binary), wanted, rtol=1e-5)


def test_no_deviation_is_better_than_the_best():
    best = likelihood.gaussian_at_best(MEAN, IMAGES)
    deviations = jnp.log(jnp.linspace(0.1, 1, 500))
    others = jax.vmap(lambda log: likelihood.gaussian(MEAN, log, IMAGES).mean())(deviations)
    assert (others <= best + 1e-3).all()
    np.testing.assert_allclose(others.max(), best, rtol=1e-3)
