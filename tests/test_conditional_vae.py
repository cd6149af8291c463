"""The conditional variational autoencoder: it draws the class that it is asked for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from dfm import train
from dfm.batch import Batch
from models import conditional_vae

X, Y = load_digits(return_X_y=True)
IMAGES = jnp.asarray(X.reshape(-1, 8, 8, 1) / 16, jnp.float32)
LABELS = np.arange(500, dtype=np.int32) % 10


@pytest.fixture(scope="module")
def trained():
    config = conditional_vae.Config(latent=4, dense=(128,))
    model = conditional_vae.Model(config, IMAGES.shape, rngs=nnx.Rngs(0))
    settings = train.Config(steps=400, batch=100, learning_rate=5e-3, warmup=5)
    task, state = train.start(model, conditional_vae.loss, settings)
    data = Batch(IMAGES, jnp.asarray(Y, jnp.int32), jnp.arange(len(Y)))
    state, _ = train.advance(task, state, data, 400)
    return train.trained(task, state)


@pytest.fixture(scope="module")
def judge():
    return LogisticRegression(max_iter=200).fit(X / 16, Y)


def test_a_classifier_reads_the_digit_asked_for(trained, judge):
    drawn = conditional_vae.sample(trained, jax.random.key(0), 500, jnp.asarray(LABELS))
    assert judge.score(np.asarray(drawn).reshape(500, -1), LABELS) > 0.95


def test_a_latent_is_drawn_as_any_digit(trained, judge):
    z = jnp.repeat(jax.random.normal(jax.random.key(1), (50, 4)), 10, axis=0)
    drawn = np.asarray(trained.decode(z, jnp.asarray(LABELS)))
    assert judge.score(drawn.reshape(500, -1), LABELS) > 0.85


def test_the_classes_come_in_turn_unless_asked(trained):
    key = jax.random.key(2)
    by_default = conditional_vae.sample(trained, key, 23)
    asked = conditional_vae.sample(trained, key, 23, jnp.asarray(LABELS[:23]))
    np.testing.assert_array_equal(by_default, asked)


def test_the_posterior_sees_the_label(trained):
    means = [trained.posterior(IMAGES[:20], jnp.full(20, label)).mean for label in (0, 1)]
    assert jnp.abs(means[0] - means[1]).max() > 0.1
