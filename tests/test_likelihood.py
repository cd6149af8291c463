"""Likelihoods of images, against SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
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


@pytest.mark.parametrize("kind", ["gaussian", "laplace"])
def test_no_deviation_is_better_than_the_best(kind):
    best = likelihood.at_best(kind, MEAN, IMAGES)
    deviations = jnp.log(jnp.linspace(0.1, 1, 500))
    others = jax.vmap(lambda log: getattr(likelihood, kind)(MEAN, log, IMAGES).mean())(deviations)
    assert (others <= best + 1e-3).all()
    np.testing.assert_allclose(others.max(), best, rtol=1e-3)


def test_the_best_of_black_and_white_takes_chances_as_the_log_odds_that_they_are():
    binary, logits = (IMAGES > 0.5).astype(np.float32), 3 * MEAN - 1
    wanted = likelihood.bernoulli(logits, binary).mean()
    np.testing.assert_allclose(
        likelihood.at_best("bernoulli", nnx.sigmoid(logits), binary), wanted, rtol=1e-5
    )


def optimum(kind, values):
    """Find the mean, the same for all images, at which their likelihood is largest."""
    density = likelihood.Likelihood(kind, "fixed", 0.2)
    means = jnp.linspace(0.005, 0.995, 199)
    logits = jnp.log(means / (1 - means))

    def total_at(logit):
        return density(jnp.broadcast_to(logit, values.shape), values).sum()

    return float(means[jnp.argmax(jax.lax.map(total_at, logits))])


def test_the_best_image_is_the_median_by_l1_and_the_mean_otherwise():
    values = jnp.array([0.0, 0.1, 0.2, 0.9, 1.0])[:, None, None, None]
    np.testing.assert_allclose(optimum("laplace", values), 0.2, atol=3e-3)
    np.testing.assert_allclose(optimum("gaussian", values), 0.44, atol=3e-3)
    np.testing.assert_allclose(optimum("bernoulli", values), 0.44, atol=3e-3)


@pytest.mark.parametrize("kind", ["gaussian", "laplace"])
def test_no_fixed_deviation_is_better_than_the_best_of_a_kind(kind):
    logits = jnp.log(MEAN / (1 - MEAN))
    best = likelihood.Likelihood(kind, "best", 1.0)(logits, IMAGES).mean()
    others = [likelihood.Likelihood(kind, "fixed", x)(logits, IMAGES).mean() for x in np.linspace(0.1, 1, 30)]
    assert max(others) <= best + 1e-3
    np.testing.assert_allclose(max(others), best, rtol=0.02)


def test_a_deviation_of_the_batch_is_no_parameter_and_a_learned_one_is():
    assert likelihood.Likelihood("gaussian", "best", 0.1).log_deviation is None
    assert isinstance(likelihood.Likelihood("laplace", "learned", 0.1).log_deviation, nnx.Param)
    assert not isinstance(likelihood.Likelihood("gaussian", "fixed", 0.1).log_deviation, nnx.Param)
    assert likelihood.Likelihood("bernoulli", "learned", 0.1).log_deviation is None


def test_a_deviation_of_zero_is_refused():
    with pytest.raises(ValueError, match="choose a positive"):
        likelihood.Likelihood("gaussian", "fixed", 0.0)
