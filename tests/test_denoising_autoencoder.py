"""An autoencoder that learned from corrupted images denoises others."""

import jax
import jax.numpy as jnp
from flax import nnx

from dfm import train
from experiments import datasets, run
from models import autoencoder, denoising_autoencoder
from models.layers import corruption

SIZES = {"latent": 32, "dense": (64,)}


def trained(module, data, **settings):
    model = module.Model(module.Config(**SIZES, **settings), data.train.images.shape, rngs=nnx.Rngs(0))
    fast = train.Config(steps=250, batch=250, learning_rate=5e-3, warmup=20)
    return train.fit(model, run.Loss(module.loss), run.arrays(data.train), fast)


def test_it_reconstructs_noisy_images_better_than_the_plain_one():
    data, noise = datasets.load("digits"), {"noise": "gaussian", "level": 0.4}
    images = jnp.asarray(data.test.images / 255, jnp.float32)
    noisy = corruption.apply("gaussian", images, 0.4, jax.random.key(1))
    models = trained(denoising_autoencoder, data, **noise), trained(autoencoder, data)
    denoised, plain = (float(jnp.mean((m.decode(m.encode(noisy)) - images) ** 2)) for m in models)
    assert denoised < 0.8 * plain
