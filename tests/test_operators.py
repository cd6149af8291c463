"""The layers compute the operators of docs/operators.md."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from models.layers import convolution, resampling

RANDOM = np.random.default_rng(0)
OPTIONS = [  # kernel, stride, padding, dilation
    (2, 1, 0, 1),
    (3, 1, 1, 1),
    (4, 2, 1, 1),
    (2, 3, 2, 1),
    (3, 1, 2, 2),
    (3, 2, 0, 3),
]


def length(inputs, kernel, stride, padding, dilation):
    return (inputs + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def correlated(x, k, stride=1, padding=0, dilation=1):
    """Give y_t = sum_i k_i x_(S t + D i - P) along all axes, x zero outside."""
    sizes = [length(n, m, stride, padding, dilation) for n, m in zip(x.shape, k.shape, strict=True)]
    y = np.zeros(sizes)
    for t in np.ndindex(*sizes):
        for i in np.ndindex(*k.shape):
            at = tuple(stride * u + dilation * j - padding for u, j in zip(t, i, strict=True))
            if all(0 <= a < n for a, n in zip(at, x.shape, strict=True)):
                y[t] += k[i] * x[at]
    return y


def layer(k, **options):
    """Give our convolution of one channel with the kernel `k`, on an array without batch and channel."""
    made = nnx.Conv(
        1,
        1,
        k.shape,
        use_bias=False,
        conv_general_dilated=convolution.general_dilated,
        rngs=nnx.Rngs(0),
        **options,
    )
    made.kernel[...] = jnp.asarray(k, jnp.float32)[..., None, None]
    return lambda x: np.asarray(made(jnp.asarray(x, jnp.float32)[None, ..., None])[0, ..., 0])


@pytest.mark.parametrize(
    ("x", "k", "padding", "wanted"),
    [
        ([1, 2, 0, -1], [2, -1, 3], [(1, 3)], [5, 0, 1, 1, -2, 0]),
        ([3, 0, -2, 1, 4], [1, -2], [(0, 2)], [3, 4, -4, -7, 4, 0]),
        ([[1, 0], [2, -1]], [[1, 2], [0, -1]], [(0, 2)] * 2, [[2, 0, 0], [0, -1, 0], [0, 0, 0]]),
        (
            [[0, 1, 2], [-1, 3, 1]],
            [[2, 0], [1, -1]],
            [(0, 2)] * 2,
            [[-4, 4, 5, 0], [-2, 6, 2, 0], [0, 0, 0, 0]],
        ),
    ],
)
def test_the_worked_examples(x, k, padding, wanted):
    np.testing.assert_array_equal(layer(np.array(k), padding=padding)(x), wanted)


def test_the_full_output_has_terms_at_negative_indices_too():
    full = layer(np.array([2, -1, 3]), padding=[(2, 2)])([1, 2, 0, -1])
    np.testing.assert_array_equal(full, [3, 5, 0, 1, 1, -2])


@pytest.mark.parametrize("shape", [(9,), (8, 7)], ids=["1-D", "2-D"])
def test_convolution_is_cross_correlation_of_the_length_in_the_formula(shape):
    x = RANDOM.normal(size=shape)
    for kernel, stride, padding, dilation in OPTIONS:
        k = RANDOM.normal(size=(kernel,) * x.ndim)
        ours = layer(k, strides=stride, padding=padding, kernel_dilation=dilation)(x)
        assert ours.shape == tuple(length(n, kernel, stride, padding, dilation) for n in shape)
        np.testing.assert_allclose(ours, correlated(x, k, stride, padding, dilation), atol=1e-5)


def test_channels_add_up():
    x, k = RANDOM.normal(size=(1, 6, 5, 2)), RANDOM.normal(size=(3, 3, 2, 4))
    ours = convolution.general_dilated(jnp.asarray(x), jnp.asarray(k), (2, 2), [(1, 1)] * 2)
    for o in range(4):
        wanted = sum(correlated(x[0, ..., c], k[..., c, o], 2, 1) for c in range(2))
        np.testing.assert_allclose(ours[0, ..., o], wanted, atol=1e-5)


def test_upscaling_takes_the_nearest_neighbor():
    x = RANDOM.normal(size=(2, 3, 5, 2)).astype(np.float32)
    ours = resampling.nearest(jnp.asarray(x))
    assert ours.shape == (2, 6, 10, 2)
    for u, v in np.ndindex(6, 10):
        np.testing.assert_array_equal(ours[:, u, v], x[:, u // 2, v // 2])
    np.testing.assert_array_equal(ours, jax.image.resize(x, ours.shape, "nearest"))


@pytest.mark.parametrize("size", [(1,), (7,), (3, 4), (2, 3, 2)], ids=str)
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_group_norm_of_any_length_has_mean_0_and_variance_1_in_each_group(size, groups):
    x = 3 + RANDOM.normal(size=(2, *size, 6))
    norm = nnx.GroupNorm(6, num_groups=groups, rngs=nnx.Rngs(0))
    norm.scale[...], norm.bias[...] = jnp.linspace(0.5, 2, 6), jnp.linspace(-1, 1, 6)
    parts = x.reshape(2, -1, groups, 6 // groups)
    mean, variance = (f(parts, axis=(1, 3), keepdims=True) for f in (np.mean, np.var))
    wanted = ((parts - mean) / np.sqrt(variance + norm.epsilon)).reshape(x.shape)
    wanted = wanted * np.linspace(0.5, 2, 6) + np.linspace(-1, 1, 6)
    np.testing.assert_allclose(norm(jnp.asarray(x, jnp.float32)), wanted, atol=2e-3)


def matrix(shape, k, stride, padding):
    """Give the matrix of a convolution, column by column from basis vectors."""
    columns = np.eye(np.prod(shape)).reshape(-1, *shape)
    return np.stack([correlated(e, k, stride, padding).ravel() for e in columns], axis=1)


def test_a_transposed_convolution_is_the_transpose_of_the_matrix():
    made = convolution.ConvTranspose(1, 1, (4, 4), (2, 2), rngs=nnx.Rngs(0))
    y, k = RANDOM.normal(size=(3, 4)), np.asarray(made.kernel[...])[::-1, ::-1, 0, 0]
    wanted = (matrix((6, 8), k, 2, 1).T @ y.ravel()).reshape(6, 8)
    np.testing.assert_allclose(made(jnp.asarray(y)[None, ..., None])[0, ..., 0], wanted, atol=1e-5)


def test_a_transposed_convolution_in_one_dimension_too():
    y, k = RANDOM.normal(size=4), RANDOM.normal(size=3)
    ours = lax.conv_transpose(
        jnp.asarray(y)[None, :, None],
        jnp.asarray(k)[::-1, None, None],
        (2,),
        "VALID",
        dimension_numbers=("NHC", "HIO", "NHC"),
    )
    np.testing.assert_allclose(ours[0, :, 0], matrix((9,), k, 2, 0).T @ y, atol=1e-5)
