"""A generator made of Fourier networks."""

import jax
import numpy as np
from flax import nnx

from models import dfm_gan


def test_an_image_is_the_same_at_every_size():
    model = dfm_gan.Model(dfm_gan.Config(latent=4, blocks=1), (1, 7, 10, 3), rngs=nnx.Rngs(0))
    z = jax.random.normal(jax.random.key(0), (2, 4))
    once, thrice = (jax.jit(model.generate, static_argnames="scale")(z, scale=scale) for scale in (1, 3))
    assert once.shape == (2, 7, 10, 3)
    assert thrice.shape == (2, 21, 30, 3)
    np.testing.assert_allclose(thrice[:, 1::3, 1::3], once, atol=1e-5)  # centers of pixels coincide
    assert np.ptp(once - once[::-1]) > 0.01
