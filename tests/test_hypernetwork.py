"""Latents to Fourier networks: the parametrization, and where these are evaluated."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.flatten_util import ravel_pytree

from dfm import fourier, network
from dfm.codecs.coordinate import points
from models.layers import hypernetwork


def test_positions_are_those_of_the_codec():
    wanted, _ = points.averages(np.zeros((5, 7, 1), np.uint8), 1)
    np.testing.assert_allclose(hypernetwork.positions(5, 7), wanted, atol=1e-7)


def test_each_image_is_evaluated_by_its_own_network():
    networks = [network.init(jax.random.key(i), 3, 2, 3) for i in range(2)]
    x = hypernetwork.positions(4, 5)
    both = hypernetwork.evaluate(jax.tree.map(lambda *v: jnp.stack(v), *networks), x)
    for one, image in zip(networks, both, strict=True):
        np.testing.assert_allclose(network.apply(one, x), image, atol=1e-6)


def test_a_layer_of_an_image_is_eq_4_5():
    width = 3
    made = hypernetwork.Hypernetwork(2, (), width, 2, 1, 1.0, rngs=nnx.Rngs(0))(jnp.ones((1, 2)))
    stored, x = made.hidden[0, 0] * fourier.scale(width), np.array([0.1, -0.2, 0.4])
    k = fourier.frequencies(width)
    a, b = stored[: len(k)], np.concatenate([np.zeros((1, width)), stored[len(k) :]])
    wanted = x + np.cos(2 * np.pi * k @ x) @ a + np.sin(2 * np.pi * k @ x) @ b
    np.testing.assert_allclose(fourier.layer(stored, jnp.asarray(x)[None])[0], wanted, atol=1e-5)


def test_thinned_pixels_are_those_of_the_image_at_their_positions_and_each_has_its_turn():
    images = hypernetwork.positions(4, 6)[None]
    seen = set()
    for i in range(40):
        x, thinned = hypernetwork.thin(images, 2, jax.random.key(i))
        assert x.shape == (2, 3, 2)
        np.testing.assert_array_equal(x, thinned[0])
        seen |= {tuple(position) for position in np.asarray(x).reshape(-1, 2)}
    assert len(seen) == 4 * 6


@pytest.mark.parametrize("stride", [-2, 0, 4])
def test_a_stride_that_does_not_divide_is_refused(stride):
    with pytest.raises(ValueError, match="choose one that does"):
        hypernetwork.thin(jnp.zeros((1, 4, 6, 1)), stride, jax.random.key(0))


@pytest.mark.parametrize(("width", "depth"), [(2, 2), (4, 4), (6, 8), (8, 4)])
def test_images_start_smooth_at_any_width_and_depth(width, depth):
    made = jax.jit(hypernetwork.Hypernetwork(8, (32,), width, depth, 1, 1.0, rngs=nnx.Rngs(0)))
    z = jax.random.normal(jax.random.key(0), (16, 8))
    images = jax.jit(hypernetwork.evaluate)(made(z), hypernetwork.positions(16, 16))
    steps = jnp.abs(jnp.diff(images, axis=1)).mean()
    assert 1e-3 < steps < 0.2  # noise in (-1, 1) would have about 0.6


def test_a_gain_leaves_the_first_networks_alone_and_lets_them_move_as_much_faster():
    plain, fast = (hypernetwork.Hypernetwork(2, (), 2, 2, 1, gain, rngs=nnx.Rngs(0)) for gain in (1.0, 8.0))
    z = jnp.ones((3, 2))
    before = ravel_pytree(plain(z))[0]
    np.testing.assert_allclose(ravel_pytree(fast(z))[0], before, rtol=1e-5)
    for made in (plain, fast):
        made.mlp.layers[-1].bias[...] += 0.01
    moved = [ravel_pytree(made(z))[0] - before for made in (plain, fast)]
    np.testing.assert_allclose(moved[0], 0.01, atol=1e-5)
    np.testing.assert_allclose(moved[1], 0.08, atol=1e-5)
