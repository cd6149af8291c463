"""Latents found by gradient descent."""

import jax
import jax.numpy as jnp
import numpy as np

from models.layers import latent_fit


def test_each_latent_finds_its_own_minimum():
    wanted = jax.random.normal(jax.random.key(0), (5, 3))
    found = latent_fit.fit(lambda z: jnp.sum((z - wanted) ** 2, axis=1), jnp.zeros((5, 3)), 300, 0.1)
    np.testing.assert_allclose(found, wanted, atol=1e-2)


def test_a_latent_depends_on_its_own_error_alone():
    def found(others):
        wanted = jnp.concatenate([jnp.ones((1, 2)), others])
        return latent_fit.fit(lambda z: jnp.sum((z - wanted) ** 2, axis=1), jnp.zeros((3, 2)), 50, 0.05)[0]

    np.testing.assert_array_equal(found(jnp.zeros((2, 2))), found(jnp.full((2, 2), 9.0)))
