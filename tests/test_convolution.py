"""Convolutions and their gradients, of both orders, are those of lax, in loops and under vmap too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from dfm import parallel
from models.layers import convolution

LAYOUT = "NHWC", "HWIO", "NHWC"
SHAPES = {  # sides of images and kernel, strides
    "the autoencoder's": ((14, 14), (4, 4), (2, 2)),
    "odd sides": ((7, 9), (4, 4), (2, 2)),
    "3 x 3": ((6, 5), (3, 3), (1, 1)),
    "1 x 1": ((5, 6), (1, 1), (1, 1)),
    "oblong": ((9, 8), (3, 2), (2, 1)),
    "gaps": ((11, 7), (2, 2), (3, 3)),
}
PADDINGS = ["SAME", "VALID", ((1, 2), (0, 1)), ((-1, 0), (3, 2))]


def draw(shape, kernel, inputs=3, outputs=5):
    x, k = jax.random.split(jax.random.key(0))
    return jax.random.normal(x, (2, *shape, inputs)), jax.random.normal(k, (*kernel, inputs, outputs))


def pairs(strides, padding):
    yield (
        lambda x, k: convolution.general_dilated(x, k, strides, padding),
        lambda x, k: lax.conv_general_dilated(x, k, strides, padding, dimension_numbers=LAYOUT),
    )
    yield (
        lambda x, k: convolution.transpose(x, k, strides, padding),
        lambda x, k: lax.conv_transpose(x, k, strides, padding),
    )


def assert_close(got, wanted):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, atol=1e-4 * (1 + float(jnp.abs(b).max())))


def gradient(convolve):
    return jax.grad(lambda x, k: jnp.sum(jnp.sin(convolve(x, k))), argnums=(0, 1))


def second(convolve):
    return jax.grad(lambda x, k: sum(jnp.sum(jnp.tanh(g)) for g in gradient(convolve)(x, k)), argnums=(0, 1))


@pytest.mark.parametrize("padding", PADDINGS, ids=str)
@pytest.mark.parametrize(("shape", "kernel", "strides"), SHAPES.values(), ids=SHAPES.keys())
def test_values_and_gradients_are_those_of_lax(shape, kernel, strides, padding):
    x, k = draw(shape, kernel)
    for ours, theirs in pairs(strides, padding):
        got, wanted = (jax.jit(lambda x, k, f=f: (f(x, k), gradient(f)(x, k)))(x, k) for f in (ours, theirs))
        assert_close(got, wanted)


@pytest.mark.parametrize("name", ["odd sides", "3 x 3", "gaps"])
def test_second_derivatives_are_those_of_lax(name):
    shape, kernel, strides = SHAPES[name]
    x, k = draw(shape, kernel)
    for ours, theirs in pairs(strides, "SAME"):
        assert_close(*(jax.jit(second(f))(x, k) for f in (ours, theirs)))


def test_gradients_in_a_loop_and_under_vmap_are_those_of_lax():
    x, k = draw((8, 6), (4, 4))
    for ours, theirs in pairs((2, 2), "SAME"):

        def descended(convolve):
            step = lambda k, _: (k - 1e-2 * gradient(convolve)(x, k)[1], None)  # noqa: E731
            return lax.scan(step, k, length=3)[0]

        def each(convolve):
            kernels = jnp.stack([k, 2 * k])
            return jax.vmap(gradient(convolve), in_axes=(None, 0))(x, kernels)

        assert_close(jax.jit(descended, static_argnums=0)(ours), descended(theirs))
        assert_close(each(ours), each(theirs))


def test_a_batch_split_over_devices_gives_the_same():
    x, k = draw((8, 8), (4, 4))
    x, mesh = jnp.concatenate([x] * 4), parallel.mesh()
    for ours, _ in pairs((2, 2), "SAME"):
        split = jax.jit(gradient(ours))(jax.device_put(x, parallel.split(mesh)), parallel.replicate(k, mesh))
        assert_close(split, gradient(ours)(x, k))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": "CIRCULAR"},
        {"kernel_dilation": 2},
        {"input_dilation": 2, "padding": 1},
        {"feature_group_count": 2},
    ],
    ids=str,
)
def test_conv_of_nnx_takes_it_with_any_option(options):
    x = draw((8, 7), (3, 3), inputs=4)[0]
    layers = [
        nnx.Conv(4, 6, (3, 3), conv_general_dilated=convolve, rngs=nnx.Rngs(0), **options)
        for convolve in (convolution.general_dilated, lax.conv_general_dilated)
    ]
    assert_close(layers[0](x), layers[1](x))


def test_transposed_layer_is_that_of_nnx():
    x = draw((7, 5), (4, 4))[0]
    made = [
        layer(3, 6, (4, 4), (2, 2), rngs=nnx.Rngs(0))
        for layer in (convolution.ConvTranspose, nnx.ConvTranspose)
    ]
    assert_close(*(nnx.to_pure_dict(nnx.state(layer)) for layer in made))
    assert_close(made[0](x), made[1](x))


def test_other_platforms_get_lax_itself(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    x, k = draw((8, 8), (4, 4))
    ours, theirs = (
        lambda x, k, f=f: f(x, k, (2, 2), "SAME", dimension_numbers=LAYOUT)
        for f in (convolution.general_dilated, lax.conv_general_dilated)
    )
    assert str(jax.make_jaxpr(ours)(x, k)) == str(jax.make_jaxpr(theirs)(x, k))
    ours, theirs = list(pairs((2, 2), "SAME"))[1]
    assert str(jax.make_jaxpr(ours)(x, k)) == str(jax.make_jaxpr(theirs)(x, k))
