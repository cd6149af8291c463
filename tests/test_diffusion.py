"""The schedule of diffusion: its marginals, its velocity, and the way back, against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from models.layers import diffusion

X, NOISE = jax.random.normal(jax.random.key(0), (2, 50, 3, 2))


def test_data_are_whole_at_time_0_and_noise_at_time_1():
    np.testing.assert_allclose(diffusion.diffuse(X, NOISE, jnp.zeros(50))[0], X, atol=1e-6)
    np.testing.assert_allclose(diffusion.diffuse(X, NOISE, jnp.ones(50))[0], NOISE, atol=1e-6)


def test_steps_that_add_noise_have_these_marginals():
    """Follow mean and variance of q(x_t | x_0 = 1) through T steps x -> sqrt(1 - beta) x + sqrt(beta) z."""
    t = np.linspace(0, 1, 101)
    kept = np.cos(np.pi / 2 * t) ** 2
    mean, variance = 1.0, 0.0
    for step in range(1, 100):
        beta = 1 - kept[step] / kept[step - 1]
        mean, variance = np.sqrt(1 - beta) * mean, (1 - beta) * variance + beta
        ones = jnp.ones((1, 1))
        of_data, _ = diffusion.diffuse(ones, 0 * ones, jnp.full(1, t[step]))
        of_noise, _ = diffusion.diffuse(0 * ones, ones, jnp.full(1, t[step]))
        assert of_data.item() == pytest.approx(mean, abs=1e-5)
        assert of_noise.item() ** 2 == pytest.approx(variance, abs=1e-5)


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
def test_diffused_data_have_the_marginals_of_the_schedule(t):
    x, noise = jnp.full((20_000, 1), 2.0), jax.random.normal(jax.random.key(0), (20_000, 1))
    diffused, _ = diffusion.diffuse(x, noise, jnp.full(20_000, t))
    assert diffused.mean() == pytest.approx(2 * np.cos(np.pi / 2 * t), abs=0.03)
    assert diffused.std() == pytest.approx(np.sin(np.pi / 2 * t), abs=0.03)


def test_the_velocity_is_the_derivative_by_the_angle():
    t, turn = jnp.linspace(0, 1, 50), jnp.full(50, 2 / jnp.pi)
    _, derivative = jax.jvp(lambda t: diffusion.diffuse(X, NOISE, t)[0], (t,), (turn,))
    np.testing.assert_allclose(diffusion.diffuse(X, NOISE, t)[1], derivative, atol=1e-5)


def test_times_are_spread_evenly():
    times = np.sort(diffusion.times(jax.random.key(0), 16))
    assert 0 <= times[0] <= times[-1] < 1
    np.testing.assert_allclose(np.diff(times), 1 / 16, atol=1e-6)


MEAN, MIXING = jnp.array([3.0, -1.0]), jnp.array([[2.0, 0.0], [0.6, 0.3]])
COVARIANCE = MIXING @ MIXING.T


def velocity(x, t):
    """Give E[v | x_t] of Gaussian data: x_0 and the noise are joint Gaussians with x_t."""
    cos, sin = jnp.cos(jnp.pi / 2 * t[0]), jnp.sin(jnp.pi / 2 * t[0])
    of_x = cos**2 * COVARIANCE + sin**2 * jnp.eye(2)
    gain = cos * sin * (jnp.eye(2) - COVARIANCE) @ jnp.linalg.inv(of_x)
    return -sin * MEAN + (x - cos * MEAN) @ gain.T


def test_the_exact_velocity_of_a_gaussian_leads_to_it():
    """The way back is affine in the noise, so that the ways of 0 and of the axes tell the distribution."""
    noise = jnp.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    errors = {}
    for steps in (100, 200):
        at, *axes = jax.jit(diffusion.ddim, static_argnums=(0, 2))(velocity, noise, steps)
        a = jnp.stack(axes, axis=1) - at[:, None]
        np.testing.assert_allclose(at, MEAN, atol=0.05)
        np.testing.assert_allclose(a @ a.T, COVARIANCE, rtol=0.05, atol=0.02)
        errors[steps] = float(jnp.abs(a @ a.T - COVARIANCE).max())
    assert errors[200] < 0.6 * errors[100]


def test_the_velocity_of_a_single_image_leads_to_it_exactly():
    """Ho et al.'s x_t = cos x + sin noise: the noise follows from x_t, and one step of DDIM is exact."""

    def to_image(x, t):
        cos, sin = jnp.cos(jnp.pi / 2 * t), jnp.sin(jnp.pi / 2 * t)
        noise = (x - cos[:, None] * MEAN) / sin[:, None]
        return cos[:, None] * noise - sin[:, None] * MEAN

    for steps in (1, 7):
        found = diffusion.ddim(to_image, jnp.ones((1, 2)), steps)
        np.testing.assert_allclose(found[0], MEAN, atol=1e-4)
