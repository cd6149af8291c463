"""A generator made of Fourier networks, and its game."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from dfm.batch import Batch
from models import dfm_gan


def test_an_image_is_the_same_at_every_size():
    model = dfm_gan.Model(dfm_gan.Config(latent=4, blocks=1), (1, 7, 10, 3), rngs=nnx.Rngs(0))
    z = jax.random.normal(jax.random.key(0), (2, 4))
    once, thrice = (jax.jit(model.generate, static_argnames="scale")(z, scale=scale) for scale in (1, 3))
    assert once.shape == (2, 7, 10, 3)
    assert thrice.shape == (2, 21, 30, 3)
    np.testing.assert_allclose(thrice[:, 1::3, 1::3], once, atol=1e-5)  # centers of pixels coincide
    assert np.ptp(once - once[::-1]) > 0.01


def test_both_players_and_the_penalty_at_its_weight_add_up_to_the_loss():
    sizes = {"latent": 4, "blocks": 1, "mixed": 8, "hidden": (8,), "discriminator": (4,)}
    model = dfm_gan.Model(dfm_gan.Config(weight=30.0, **sizes), (4, 8, 8, 1), rngs=nnx.Rngs(0))
    batch = Batch(jax.random.uniform(jax.random.key(0), (4, 8, 8, 1)), jnp.zeros(4, int), jnp.arange(4))
    value, metrics = jax.jit(lambda key: dfm_gan.loss(model, batch, key))(jax.random.key(1))
    of_penalty = value - metrics["generator"] - metrics["discriminator"]
    assert of_penalty > 1e-3
    np.testing.assert_allclose(of_penalty, 30 * metrics["penalty"], rtol=1e-2)
