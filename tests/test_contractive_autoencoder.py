"""The contractive penalty is the norm of the Jacobian, and works."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dfm import train
from experiments import datasets, run
from models import contractive_autoencoder

IMAGES = jax.random.uniform(jax.random.key(0), (3, 6, 5, 2))
KEY = jax.random.key(1)
NORMS = contractive_autoencoder._NORMS


def make(images=IMAGES, **settings):
    config = contractive_autoencoder.Config(latent=8, **settings)
    return contractive_autoencoder.Model(config, images.shape, rngs=nnx.Rngs(0))


def test_the_norm_of_one_sigmoid_layer_has_its_closed_form():
    model = make()
    code, kernel = model.encode(IMAGES), model.encoder.mlp.layers[0].kernel[...]
    wanted = ((code * (1 - code)) ** 2) @ (kernel**2).sum(0)
    np.testing.assert_allclose(NORMS["exact"](model, IMAGES, KEY), wanted, rtol=1e-4)


@pytest.mark.parametrize("settings", [{"dense": (16,)}, {"convolutions": (4,)}], ids=str)
def test_the_projection_estimates_the_norm_without_bias(settings):
    model = make(**settings)
    exact = jax.jit(lambda: NORMS["exact"](model, IMAGES, KEY))()
    drawn = jax.jit(jax.vmap(lambda key: NORMS["projected"](model, IMAGES, key)))(jax.random.split(KEY, 2000))
    error = drawn.std(0) / len(drawn) ** 0.5
    assert (error < 0.03 * exact).all()
    np.testing.assert_array_less(jnp.abs(drawn.mean(0) - exact), 4 * error)


def test_the_jacobian_shrinks_as_the_weight_of_its_norm_grows():
    part = datasets.Split(*(values[:500] for values in datasets.load("digits").train))
    images, norms = jnp.asarray(part.images / 255, jnp.float32), []
    measure = nnx.jit(NORMS["exact"])
    for weight in (0.0, 0.1):
        settings = train.Config(steps=100, batch=250, learning_rate=1e-2, warmup=20)
        data, loss = run.arrays(part), run.Loss(contractive_autoencoder.loss)
        trained = train.fit(make(images, weight=weight), loss, data, settings)
        norms.append(float(measure(trained, images[:50], KEY).mean()))
    assert norms[0] > 3 * norms[1] > 0
