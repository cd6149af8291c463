"""The perceptual distance, with random weights, and with the published ones where they are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from models.layers import lpips

WIDTHS = {"alexnet": (4, 6, 8, 4, 4), "vgg16": (2, 2, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4)}
ENDS = {"alexnet": (0, 1, 2, 3, 4), "vgg16": (1, 3, 6, 9, 12)}  # convolutions that end a stage
NAMES = {"alexnet": "AlexNet_0", "vgg16": "VGG16_0"}


def arrays(network):
    """Draw weights of a narrow network of the same structure."""
    random = np.random.default_rng(0)
    sides = (11, 5, 3, 3, 3) if network == "alexnet" else (3,) * 13
    widths, found = WIDTHS[network], {}
    for i, (n, m, side) in enumerate(zip((3, *widths), widths, sides, strict=False)):
        kernel = random.normal(size=(side, side, n, m)) / (side * n**0.5)
        found[f"{NAMES[network]}.Conv_{i}.kernel"] = kernel.astype(np.float32)
        found[f"{NAMES[network]}.Conv_{i}.bias"] = np.full(m, 0.1, np.float32)
    for i, end in enumerate(ENDS[network]):
        head = random.uniform(size=(1, 1, widths[end], 1))
        found[f"NetLinLayer_{i}.Conv_0.kernel"] = head.astype(np.float32)
    return found


def photos(side=32, channels=3):
    waves = np.sin(np.mgrid[:side, :side].sum(0) / 3)[..., None] * np.linspace(0.2, 0.4, channels)
    return jnp.asarray(0.5 + waves[None] * np.array([1, -1])[:, None, None, None], jnp.float32)


@pytest.mark.parametrize("network", WIDTHS)
def test_equal_images_are_at_0_and_noise_moves_them_away(network):
    model = lpips.LPIPS(network, arrays(network))
    images, noise = photos(), jax.random.normal(jax.random.key(0), (2, 32, 32, 3))
    measure = jax.jit(model.__call__)
    distances = jnp.stack([measure(images, images + share * noise) for share in (0, 0.02, 0.1, 0.3)])
    np.testing.assert_array_equal(distances[0], 0)
    assert (jnp.diff(distances, axis=0) > 0).all()
    np.testing.assert_allclose(measure(images + noise, images), measure(images, images + noise), rtol=1e-5)


def test_stages_have_the_sides_of_the_published_networks():
    """For 64 x 64 pixels, as torchvision's slices in LPIPS give them."""
    sides = {"alexnet": [15, 7, 3, 3, 3], "vgg16": [64, 32, 16, 8, 4]}
    for network, expected in sides.items():
        model = lpips.LPIPS(network, arrays(network))
        stages = jax.eval_shape(model.features, jnp.zeros((1, 64, 64, 3)))
        assert [stage.shape[1] for stage in stages] == expected


def test_a_network_sees_colors_as_they_deviate_from_those_of_imagenet():
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    model, x = lpips.LPIPS("alexnet", arrays("alexnet")), jax.random.normal(jax.random.key(0), (1, 16, 16, 3))
    kernel, layout = model.kernels[0][...], ("NHWC", "HWIO", "NHWC")
    first = jax.lax.conv_general_dilated(x, kernel, (4, 4), [(2, 2)] * 2, dimension_numbers=layout)
    seen = jax.jit(lambda images: model.features(images)[0])(mean + deviation * x)
    np.testing.assert_allclose(seen, jax.nn.relu(first + model.biases[0][...]), atol=1e-4)


@pytest.mark.parametrize("network", WIDTHS)
def test_gray_images_are_as_far_apart_as_their_rgb(network):
    model = lpips.LPIPS(network, arrays(network))
    gray = photos(28, 1)
    one, three = (jax.jit(model.__call__)(x, 1 - x) for x in (gray, jnp.repeat(gray, 3, axis=3)))
    np.testing.assert_allclose(one, three, rtol=1e-5)


def test_the_gradient_is_finite_where_no_feature_is_active():
    weights = arrays("alexnet")
    weights["AlexNet_0.Conv_4.bias"] = np.full(4, -100, np.float32)
    model = lpips.LPIPS("alexnet", weights)
    slope = jax.jit(jax.grad(lambda x: model(x, photos()).sum()))(photos() * 0.9)
    assert jnp.isfinite(slope).all()
    assert jnp.abs(slope).max() > 0


def test_too_small_images_and_absent_weights_are_named(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="of 6x9; give at least 7"):
        lpips.LPIPS("alexnet", arrays("alexnet")).features(jnp.zeros((1, 6, 9, 3)))
    monkeypatch.setenv("DFM_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"lpips_vgg16\.npz, the weights of LPIPS, is absent"):
        lpips.load("vgg16")


def test_published_weights_see_noise_and_their_heads_only_add():
    try:
        model = lpips.LPIPS("alexnet", lpips.load("alexnet"))
    except FileNotFoundError as error:
        pytest.skip(str(error))
    assert all((head[...] >= 0).all() for head in model.heads)
    noise = 0.1 * jax.random.normal(jax.random.key(0), (2, 32, 32, 3))
    assert (jax.jit(model.__call__)(photos(), photos() + noise) > 0.01).all()
