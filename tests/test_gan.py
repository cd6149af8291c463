"""What a gradient penalty does to a discriminator, and which player a gradient reaches."""

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from dfm import train
from dfm.batch import Batch
from models import gan
from models.layers import adversarial


def circles(count):
    """Draw disks of two sizes."""
    y, x = jnp.mgrid[:8, :8] - 3.5
    radius = 2 + (jnp.arange(count) % 2)[:, None, None]
    images = jax.nn.sigmoid(3 * (radius - jnp.hypot(x, y)))[..., None]
    return Batch(images, jnp.zeros(count, int), jnp.arange(count))


def slope_after(penalty, steps=150):
    """Train both players, and give the slope of the discriminator where its penalty looks."""
    config = gan.Config(latent=4, generator=(8,), discriminator=(16,), penalty=penalty)
    model = gan.Model(config, (16, 8, 8, 1), rngs=nnx.Rngs(0))
    settings = train.Config(steps=steps, batch=16, learning_rate=3e-3, b1=0.5, warmup=1)
    data = circles(16)
    trained = train.fit(model, gan.loss, data, settings)

    @jax.jit
    def measured(model):
        fake = gan.sample(model, jax.random.key(0), 16)
        return jnp.mean(
            adversarial.slope(model.discriminator, adversarial.between(data.images, fake, jax.random.key(1)))
        )

    return float(measured(trained))


def test_the_penalty_keeps_the_slope_at_1_and_without_it_it_grows():
    assert slope_after("wgan_gp") == pytest.approx(1, abs=0.15)
    assert slope_after("none") > 1.3


def test_the_zero_centered_penalty_flattens_the_discriminator():
    assert slope_after("r1") < 0.75


def test_the_gradient_of_the_sum_is_that_of_each_player_s_own_loss():
    config = gan.Config(latent=4, generator=(4,), discriminator=(4,))
    model = gan.Model(config, (4, 8, 8, 1), rngs=nnx.Rngs(0))
    graph, state = nnx.split(model)

    def gradient(term, state):
        def value(state):
            total, metrics = gan.loss(nnx.merge(graph, state), circles(4), jax.random.key(0))
            return metrics[term] if term else total

        return jax.grad(value)(state)

    total, generator, discriminator = jax.jit(
        lambda state: [gradient(term, state) for term in ("", "generator", "discriminator")]
    )(state)
    zero = [
        jnp.abs(leaf).sum()
        for leaf in jax.tree.leaves((generator["discriminator"], discriminator["generator"]))
    ]
    assert max(zero) == 0
    gap = jax.tree.map(lambda a, b: jnp.abs(a - b).max(), total["generator"], generator["generator"])
    assert max(jax.tree.leaves(gap)) < 1e-6
