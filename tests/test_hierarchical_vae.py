"""The hierarchical variational autoencoder: every level is used, and its bound is the sum of their terms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from sklearn.datasets import load_digits

from dfm import train
from dfm.batch import Batch
from models import hierarchical_vae

DIGITS = jnp.asarray(load_digits().images[..., None] / 16, jnp.float32)
BATCH = Batch(DIGITS, jnp.zeros(len(DIGITS), int), jnp.arange(len(DIGITS)))
STEPS = 300


@pytest.fixture(scope="module")
def two_levels():
    config = hierarchical_vae.Config(levels=(8, 4), width=64, dense=(64,))
    model = hierarchical_vae.Model(config, DIGITS.shape, rngs=nnx.Rngs(0))
    settings = train.Config(steps=STEPS, batch=100, learning_rate=3e-3, warmup=5)
    task, state = train.start(model, hierarchical_vae.loss, settings)
    state, _ = train.advance(task, state, BATCH, STEPS)
    return train.trained(task, state)


def metrics(model):
    return nnx.jit(hierarchical_vae.loss)(model, BATCH, jax.random.key(1))[1]


def test_every_level_is_used(two_levels):
    found = metrics(two_levels)
    assert min(found["kl_nats_1"], found["kl_nats_2"]) > 0.5
    np.testing.assert_allclose(found["kl_nats"], found["kl_nats_1"] + found["kl_nats_2"], rtol=1e-5)


def test_the_bound_is_the_mean_of_log_weights(two_levels):
    weight = nnx.jit(lambda model, key: model.log_weight(BATCH, key).mean())
    weights = np.mean([weight(two_levels, key) for key in jax.random.split(jax.random.key(0), 10)])
    np.testing.assert_allclose(weights, metrics(two_levels)["elbo_nats"], atol=0.3)


def test_what_is_encoded_decodes_to_itself(two_levels):
    decoded = nnx.jit(lambda model: model.decode(model.encode(DIGITS)))(two_levels)
    assert jnp.mean((decoded - DIGITS) ** 2) < 0.4 * jnp.var(DIGITS)


def test_a_level_is_drawn_by_what_lies_above(two_levels):
    means = {}

    def choose(level, prior, state):
        means[level] = prior.mean
        return jax.random.normal(jax.random.key(level), prior.mean.shape)

    two_levels.descend(20, choose)
    assert means[0].std(0).max() > 0.1
    assert not means[1].any()


def test_a_sample_draws_each_level_from_its_own_prior_by_noise_of_its_own(monkeypatch):
    config = hierarchical_vae.Config(levels=(3, 3, 3), width=8, dense=(8,))
    model = hierarchical_vae.Model(config, DIGITS.shape, rngs=nnx.Rngs(0))
    descend, noise = model.descend, {}

    def watched(_, n, choose):
        def seen(level, prior, state):
            z = choose(level, prior, state)
            noise[level] = (z - prior.mean) * jnp.exp(-prior.log_deviation)
            return z

        return descend(n, seen)

    @jax.jit
    def drawn(key):
        hierarchical_vae.sample(model, key, 4000)
        return jnp.concatenate([noise[level] for level in (0, 1, 2)], axis=1)

    monkeypatch.setattr(hierarchical_vae.Model, "descend", watched)
    found = drawn(jax.random.key(0))
    np.testing.assert_allclose(found.mean(0), 0, atol=0.1)
    np.testing.assert_allclose(np.cov(found.T), np.eye(9), atol=0.1)


def test_a_divergence_below_its_free_bits_costs_these():
    config = hierarchical_vae.Config(levels=(3, 2), dense=(8,), free_bits=50.0)
    model = hierarchical_vae.Model(config, DIGITS.shape, rngs=nnx.Rngs(0))
    value, found = nnx.jit(hierarchical_vae.loss)(model, BATCH, jax.random.key(0))
    fit = found["elbo_nats"] + found["kl_nats"]
    np.testing.assert_allclose(value * 64, 5 * 50 - fit, rtol=1e-4)
