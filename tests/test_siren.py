"""The SIREN of experiments/siren.py, and its sine."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dfm import image, metrics
from experiments import sine, siren

PHOTO = "experiments/photos/chelsea.png"


@pytest.fixture(scope="module")
def photo():
    return image.read(PHOTO)[100:132, 150:198]


@pytest.mark.parametrize(("text", "bpp"), [("5x20", 0.07361), ("10x40", 0.6109), ("13x49", 1.209)])
def test_shapes_take_the_bits_that_coin_published(text, bpp):
    bits = 16 * siren.shape(text).parameters(channels=3)
    assert bits / (768 * 512) == pytest.approx(bpp, rel=0.004)


@pytest.mark.parametrize("text", ["5", "5x", "x20", "0x20", "5x-1", "5*20", ""])
def test_another_text_is_no_shape(text):
    with pytest.raises(ValueError, match="such as 5x20"):
        siren.shape(text)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_network_is_that_of_the_formula(channels):
    layers = siren.init(jax.random.key(0), siren.Shape(3, 7), channels)
    assert sum(w.size + b.size for w, b in layers) == siren.Shape(3, 7).parameters(channels)
    x = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    h = x
    for w, b in layers[:-1]:
        h = np.sin(30 * (h @ np.asarray(w, np.float64).T + np.asarray(b, np.float64)))
    w, b = (np.asarray(v, np.float64) for v in layers[-1])
    np.testing.assert_allclose(jax.jit(siren.apply)(layers, np.float32(x)), h @ w.T + b + 0.5, atol=1e-4)


def test_sine_and_its_derivative_agree_with_numpy():
    x = np.linspace(-60, 60, 20001, dtype=np.float32)
    value, slope = jax.jit(jax.vmap(jax.value_and_grad(sine.sine)))(x)
    np.testing.assert_allclose(value, np.sin(x.astype(np.float64)), atol=2e-5)
    np.testing.assert_allclose(slope, np.cos(x.astype(np.float64)), atol=2e-5)
    near = np.abs(x) < 0.5
    np.testing.assert_allclose(value[near], np.sin(x[near].astype(np.float64)), atol=1e-6)


def test_a_fit_finds_more_than_the_mean_color_and_is_stored_in_16_bits(photo):
    shape = siren.Shape(2, 16)
    fitted = siren.fit(photo, shape, seconds=0, config=siren.Config(batch=512))
    assert {v.dtype for layer in fitted.layers for v in layer} == {np.dtype(np.float16)}
    assert fitted.n_bytes == 2 * shape.parameters(3)
    mean = np.broadcast_to(np.rint(photo.mean((0, 1))), photo.shape).astype(np.uint8)
    assert siren.psnr(photo, fitted) > metrics.psnr(photo, mean) + 3


def test_a_fit_takes_one_batch_of_steps_where_there_is_no_time(photo):
    config = siren.Config(batch=photo.shape[0] * photo.shape[1])
    assert siren.fit(photo, siren.Shape(1, 4), seconds=0, config=config).steps == siren.LOOK // config.batch


def test_rendering_samples_the_middles_of_pixels():
    shift = [
        (jnp.array([[1.0, 0.0], [0.0, 1.0]]) / siren.OMEGA / 10, jnp.zeros(2)),
        (jnp.eye(2), jnp.zeros(2)),
    ]
    pixels = siren.render(shift, 2, 4)
    x, y = np.sin(np.array([-0.75, -0.25, 0.25, 0.75]) / 10), np.sin(np.array([-0.5, 0.5]) / 10)
    np.testing.assert_array_equal(pixels[0, :, 0], np.rint(255 * (x + 0.5)))
    np.testing.assert_array_equal(pixels[:, 0, 1], np.rint(255 * (y + 0.5)))
