"""Denoising diffusion: losses at their optimum, and which error they measure."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dfm.batch import Batch
from models import ddpm

DEVIATION = 0.5


class Optimal:
    """Give E[v | x_t] of independent numbers of one deviation, times `factor`."""

    def __init__(self, factor=1.0, error="velocity"):
        self.config, self.factor = ddpm.Config(of="latents", error=error), factor

    def velocity(self, x, t):
        phi = jnp.pi / 2 * t[:, None, None, None]
        variance = DEVIATION**2 * jnp.cos(phi) ** 2 + jnp.sin(phi) ** 2
        return self.factor * x * jnp.sin(phi) * jnp.cos(phi) * (1 - DEVIATION**2) / variance


def measure(model):
    images = DEVIATION * jax.random.normal(jax.random.key(0), (2000, 8, 8, 1))
    batch = Batch(images, jnp.zeros(2000, int), jnp.arange(2000))
    return float(jax.jit(lambda: ddpm.loss(model, batch, jax.random.key(1))[0])())


def test_the_least_loss_on_normal_data_is_their_deviation():
    """The variance of v given x_t, d^2 / (d^2 cos^2 + sin^2), has the mean d over the quarter of a circle."""
    least = measure(Optimal())
    assert least == pytest.approx(DEVIATION, rel=0.01)
    assert min(measure(Optimal(factor)) for factor in (0.5, 1.5)) > 1.05 * least


def test_the_errors_of_noise_and_image_add_up_to_that_of_the_velocity():
    parts = [measure(Optimal(0.5, error)) for error in ("noise", "image")]
    assert sum(parts) == pytest.approx(measure(Optimal(0.5)), rel=1e-5)


def test_images_are_learned_as_latents_of_twice_their_contrast_around_0():
    images = jax.random.uniform(jax.random.key(0), (6, 4, 4, 1))

    @jax.jit
    def judged(model, x):
        return ddpm.loss(model, Batch(x, jnp.zeros(6, int), jnp.arange(6)), jax.random.key(1))[0]

    of_images, of_latents = (
        ddpm.Model(ddpm.Config(of=of, widths=(4,)), (6, 4, 4, 1), rngs=nnx.Rngs(0))
        for of in ("images", "latents")
    )
    np.testing.assert_allclose(judged(of_images, images), judged(of_latents, 2 * images - 1), rtol=1e-5)


@pytest.mark.parametrize("error", ["noise", "image"])
def test_the_loss_is_the_square_of_the_error_it_names(error):
    x, noise, off = jax.random.normal(jax.random.key(0), (3, 4, 2, 2, 1))
    phi = jnp.linspace(0.1, 1.4, 4)[:, None, None, None]
    diffused = jnp.cos(phi) * x + jnp.sin(phi) * noise
    v = jnp.cos(phi) * noise - jnp.sin(phi) * x + off
    parts = {
        "noise": jnp.sin(phi) * diffused + jnp.cos(phi) * v - noise,
        "image": jnp.cos(phi) * diffused - jnp.sin(phi) * v - x,
    }
    np.testing.assert_allclose(parts[error] ** 2, ddpm._SHARE[error](phi) * off**2, atol=1e-5)


def test_latents_are_drawn_as_they_are_and_images_within_their_range():
    def drawn(of):
        config = ddpm.Config(of=of, widths=(4, 4), steps=2)
        model = ddpm.Model(config, (1, 4, 6, 2), rngs=nnx.Rngs(0))
        return jax.jit(lambda key: ddpm.sample(model, key, 5))(jax.random.key(0))

    images, latents = drawn("images"), drawn("latents")
    assert images.shape == latents.shape == (5, 4, 6, 2)
    assert latents.min() < -1 < 1 < latents.max()
    np.testing.assert_allclose(images, np.clip((latents + 1) / 2, 0, 1), atol=1e-6)
