"""A generator without an encoder: which latents a batch trains, and how a new image is encoded."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from dfm.batch import Batch
from models import dfm_generator
from models.layers import errors

SMALL = {"latent": 3, "hidden": (16,), "width": 2, "depth": 1, "gain": 10.0}


def make(**settings):
    config = dfm_generator.Config(**SMALL | settings)
    return dfm_generator.Model(config, (8, 6, 5, 1), rngs=nnx.Rngs(0))


def drawn(model, n, seed=0):
    """Draw latents that are far apart, and their images."""
    z = 2 * jax.random.normal(jax.random.key(seed), (n, 3))
    return z, jax.jit(model.decode)(z)


def test_each_image_is_compared_with_that_of_its_own_latent():
    model = make(penalty=0.0)
    model.latents[...], images = drawn(model, 8)
    indices = jnp.array([6, 2, 3])
    batch = Batch(images[indices], labels=jnp.arange(3), indices=indices)
    assert nnx.jit(dfm_generator.loss)(model, batch, jax.random.key(1))[0] < 1e-10


def test_an_image_of_the_decoder_is_encoded_so_that_it_comes_back():
    model = make(penalty=0.0, fit_steps=100, fit_rate=0.2)
    _, images = drawn(model, 4, seed=1)
    encoded = jax.jit(lambda x: model.decode(model.encode(x)))(images)
    mean = jax.jit(model.decode)(model.latents[...].mean(0, keepdims=True))
    assert (errors.mse(encoded, images) < 0.01 * errors.mse(mean, images)).all()


def test_a_weight_of_the_penalty_costs_half_the_square_of_latents_a_value():
    model, light = make(penalty=3.0), make(penalty=1.0)
    _, images = drawn(model, 4)
    batch = Batch(images, labels=jnp.zeros(4, int), indices=jnp.arange(4))
    costs = [nnx.jit(dfm_generator.loss)(m, batch, jax.random.key(0))[0] for m in (model, light)]
    wanted = jnp.sum(model.latents[...][:4] ** 2) / 4 / 30
    np.testing.assert_allclose(costs[0] - costs[1], wanted, rtol=1e-3)
