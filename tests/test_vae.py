"""The variational autoencoder: its bound, the deviation it learns, and the weight of the divergence."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from sklearn.datasets import load_digits

from dfm import train
from dfm.batch import Batch
from models import vae
from models.layers import normal

DIGITS = jnp.asarray(load_digits().images[:400, :, :, None] / 16, jnp.float32)
BATCH = Batch(DIGITS, jnp.zeros(400, int), jnp.arange(400))
SMALL = {"latent": 4, "dense": (64,)}
UNTRAINED = vae.Model(vae.Config(**SMALL), DIGITS.shape, rngs=nnx.Rngs(0))


def trained(steps=150, rate=5e-3, **settings):
    model = vae.Model(vae.Config(**SMALL | settings), DIGITS.shape, rngs=nnx.Rngs(0))
    config = train.Config(steps=steps, batch=100, learning_rate=rate, warmup=5)
    task, state = train.start(model, vae.loss, config)
    state, _ = train.advance(task, state, BATCH, steps)
    return train.trained(task, state)


def metrics(model):
    return nnx.jit(vae.loss)(model, BATCH, jax.random.key(1))[1]


def test_a_larger_beta_buys_a_smaller_divergence():
    cheap, dear = (float(metrics(trained(beta=beta))["kl_nats"]) for beta in (0.3, 4.0))
    assert cheap > 1.5 * dear


def test_free_bits_hold_every_dimension_up():
    held, not_held = (
        jnp.mean(normal.kl(trained(beta=20.0, free_bits=bits).posterior(DIGITS)), axis=0)
        for bits in (0.7, 0.0)
    )
    assert not_held.min() < 0.3
    assert held.min() > 0.6


def test_a_learned_deviation_arrives_at_the_best():
    model = trained(300, 1e-2, deviation="learned", fixed=0.3)
    mse = 10 ** (-metrics(model)["psnr_db"] / 10)
    np.testing.assert_allclose(jnp.exp(model.likelihood.log_deviation[...]), mse**0.5, rtol=0.1)


def test_the_loss_is_the_negative_bound_a_value():
    value, found = nnx.jit(vae.loss)(UNTRAINED, BATCH, jax.random.key(1))
    np.testing.assert_allclose(value, -found["elbo_nats"] / 64, rtol=1e-5)


def test_the_divergence_of_latents_is_that_of_sampling():
    posterior = nnx.jit(vae.Model.posterior)(UNTRAINED, DIGITS)

    @jax.jit
    def of_sampling(key):
        z = normal.sample(posterior, key)
        return jnp.mean(normal.log_ratio(posterior, normal.standard(z), z))

    sampled = jax.vmap(of_sampling)(jax.random.split(jax.random.key(0), 300))
    np.testing.assert_allclose(sampled.mean(), jnp.sum(normal.kl(posterior), axis=1).mean(), rtol=0.01)
