"""Sparse codes are as sparse as asked."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import special

from dfm import train
from experiments import datasets, latents, run
from models import sparse_autoencoder


def trained_code(**settings):
    """Train on digits, and give the codes of the test images."""
    data = datasets.load("digits")
    config = sparse_autoencoder.Config(latent=48, **settings)
    model = sparse_autoencoder.Model(config, data.train.images.shape, rngs=nnx.Rngs(0))
    fast = train.Config(steps=200, batch=250, learning_rate=1e-2, warmup=20)
    model = train.fit(model, run.Loss(sparse_autoencoder.loss), run.arrays(data.train), fast)
    return latents.encode(model, data.test.images)


@pytest.mark.parametrize("active", [0.05, 0.2])
def test_the_share_of_active_units_is_what_kl_asks_for(active):
    code = trained_code(penalty="kl", active=active, weight=3.0)
    assert code.mean() == pytest.approx(active, rel=0.2)
    assert np.abs(code.mean(0) - active).max() < active


def test_a_code_grows_sparser_with_the_weight_of_l1():
    shares = [np.mean(trained_code(penalty="l1", weight=weight) > 0) for weight in (0, 0.01, 0.1)]
    assert shares[0] > 1.2 * shares[1] > 1.2**2 * shares[2] > 0


def test_the_kl_penalty_is_that_of_scipy_and_zero_at_the_target():
    code = jax.random.uniform(jax.random.key(0), (50, 7))
    rate = np.asarray(code.mean(0), float)
    wanted = special.rel_entr(0.2, rate) + special.rel_entr(0.8, 1 - rate)
    np.testing.assert_allclose(sparse_autoencoder._kl(code, 0.2), wanted, rtol=1e-4)
    np.testing.assert_allclose(sparse_autoencoder._kl(jnp.full((3, 2), 0.2), 0.2), 0, atol=1e-6)
