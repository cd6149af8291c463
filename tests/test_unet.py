"""U-Nets: the sizes that are published, any other, and what each pixel sees."""

import functools
import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from models.layers.unet import Padding, UNet, Up

UPS, PADDINGS = typing.get_args(Up), typing.get_args(Padding)


def make(widths=(2, 3), padding="same", up="transposed", norm="none", condition=0):
    return UNet(1, 2, widths, padding, up, norm, condition, rngs=nnx.Rngs(0))


@functools.cache
def sides(method, side, widths, padding, up="transposed"):
    """Tell the size of what a U-Net makes of an image, without any computation."""
    image = jax.ShapeDtypeStruct((1, side, side, 1), jnp.float32)
    return jax.eval_shape(lambda x: getattr(make(widths, padding, up), method)(x), image).shape


def test_the_published_network_maps_572_pixels_to_388():
    assert sides("middle", 572, (64, 128, 256, 512, 1024), "valid")[1] == 388


@pytest.mark.parametrize(("levels", "lost"), [(0, 4), (1, 16), (2, 40), (3, 88), (4, 184)])
def test_without_padding_the_border_is_lost(levels, lost):
    side = 13 * 2**levels - 4
    assert sides("middle", side, (1,) * (levels + 1), "valid")[1] == side - lost


@pytest.mark.parametrize("up", UPS)
def test_a_small_tile_shows_its_middle(up):
    made = jax.jit(make(up=up, padding="valid").middle)(jnp.ones((1, 22, 26, 1)))
    assert made.shape == (1, 6, 10, 2)


def test_an_odd_side_is_not_halved():
    with pytest.raises(ValueError, match=r"17x22 is to be halved; choose an image .* even sides"):
        make(padding="valid").middle(jnp.ones((1, 21, 26, 1)))


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("side", [1, 7, 8, 33])
@pytest.mark.parametrize("levels", [0, 1, 3])
def test_an_image_of_any_size_keeps_it(side, levels, padding):
    assert sides("__call__", side, (2,) * (levels + 1), padding) == (1, side, side, 2)


def test_without_padding_the_image_is_what_a_frame_of_its_mirror_images_shows():
    net = make(padding="valid")
    x = jax.random.normal(jax.random.key(0), (1, 10, 6, 1))
    framed = jnp.asarray(np.pad(x, ((0, 0), (8, 8), (8, 8), (0, 0)), "symmetric"))
    np.testing.assert_allclose(jax.jit(net)(x), jax.jit(net.middle)(framed), atol=1e-5)


def test_cropped_skips_lie_over_what_is_doubled():
    """Move a tile by two pixels: what a level of halving shows moves along."""
    net = make(padding="valid", up="unpooling")
    x = jax.random.normal(jax.random.key(1), (1, 24, 24, 1))
    whole, part = jax.jit(net.middle)(x), jax.jit(net.middle)(x[:, 2:, 2:])
    np.testing.assert_allclose(whole[:, 2:, 2:], part, atol=1e-5)


@pytest.mark.parametrize("up", UPS)
def test_gradients_reach_every_parameter(up):
    graph, params = nnx.split(make((8, 8), up=up, norm="group", condition=3))
    x, condition = jax.random.normal(jax.random.key(0), (2, 7, 10, 1)), jnp.ones((2, 3))
    slopes = jax.jit(jax.grad(lambda params: jnp.sum(nnx.merge(graph, params)(x, condition) ** 2)))(params)
    still = [path for path, g in jax.tree_util.tree_leaves_with_path(slopes) if not jnp.any(g != 0)]
    assert still == []


def test_a_condition_tells_images_of_a_batch_apart():
    net = jax.jit(make(condition=2))
    x, condition = jnp.ones((2, 4, 4, 1)), jnp.array([[0.0, 1.0], [1.0, 0.0]])
    made, swapped = net(x, condition), net(x, condition[::-1])
    assert (made[0] != made[1]).any()
    np.testing.assert_allclose(made[::-1], swapped, atol=1e-6)
