"""Inception-v3 of FID: its parts against NumPy, and the true features where there are weights."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import datasets, inception
from experiments import inception_blocks as blocks
from tests.conftest import ROOT

ORACLE = ROOT.parent / "shared" / "data" / "fid_oracle.npz"  # made elsewhere, of 16 images of CIFAR-10

_ENTRIES = {
    "5b": 2,
    "5c": 8,
    "5d": 8,
    "6a": 8,
    "6b": 12,
    "6c": 8,
    "6d": 8,
    "6e": 8,
    "7a": 8,
    "7b": 12,
    "7c": 12,
}
_HALVING = ("1a_3x3", "6a.branch3x3", "6a.branch3x3dbl_3", "7a.branch3x3_2", "7a.branch7x7x3_4")


def entries(name):
    """How many channels come in, where each convolution gives 2."""
    if name.startswith("Conv2d"):
        return 3 if name == "Conv2d_1a_3x3" else 2
    first = name.endswith(("1x1", "_1", "_pool", "branch3x3"))
    return _ENTRIES[name[6:8]] if first else 2


@pytest.fixture
def arrays():
    """Tiny random weights as in TensorFlow: two channels a convolution, 1 x 1 but where it halves."""
    random = np.random.default_rng(0)
    found = {}
    for ours, theirs in inception.names().items():
        side = 3 if ours.endswith(_HALVING) else 1
        shape = (2, entries(ours), side, side)
        found[f"{theirs}.weight"] = random.uniform(0, 2, shape) / np.prod(shape[1:])
        for kind, low in (("beta", -0.1), ("mean", -0.1), ("var", 0.5)):
            found[f"{theirs}.{kind}"] = random.uniform(low, low + 0.2, 2)
    return {name: array.astype(np.float32) for name, array in found.items()}


def as_torch(arrays):
    """The same weights in the layout of pytorch-fid, with a factor of batch norm and a layer of classes."""
    kinds = {"weight": "conv.weight", "beta": "bn.bias", "mean": "bn.running_mean", "var": "bn.running_var"}
    found = {"fc.weight": np.random.default_rng(1).normal(size=(5, 12)).astype(np.float32)}
    for ours, theirs in inception.names().items():
        found |= {f"{ours}.{kinds[kind]}": arrays[f"{theirs}.{kind}"] for kind in kinds}
        found[f"{ours}.bn.weight"] = np.full(2, 3, np.float32)
    return found


def test_94_convolutions_have_a_name_in_each_layout():
    names = inception.names()
    assert len(names) == len(set(names.values())) == 94
    assert names["Conv2d_4a_3x3"] == "conv_4"
    assert names["Mixed_5b.branch5x5_2"] == "mixed.tower.conv_1"
    assert names["Mixed_7a.branch7x7x3_4"] == "mixed_8.tower_1.conv_3"
    assert names["Mixed_7c.branch3x3dbl_3b"] == "mixed_10.tower_1_mixed_conv_1"


def test_batch_norm_is_folded_into_convolutions(arrays):
    x = np.random.default_rng(2).normal(size=2)
    layer = inception.from_torch(as_torch(arrays))["Conv2d_3b_1x1"]
    weight, beta, mean, variance = (arrays[f"conv_3.{kind}"] for kind in ("weight", "beta", "mean", "var"))
    expected = 3 * (weight[:, :, 0, 0] @ x - mean) / np.sqrt(variance + 0.001) + beta
    np.testing.assert_allclose(x @ layer.kernel[0, 0] + layer.bias, expected, rtol=1e-5)


def test_both_layouts_are_loaded_from_files(arrays, tmp_path):
    np.savez(tmp_path / "tensorflow.npz", **arrays)
    layout = as_torch(arrays) | {f"{name}.bn.weight": np.ones(2, np.float32) for name in inception.names()}
    np.savez(tmp_path / "torch.npz", **layout)
    one, other = (inception.load(tmp_path / f"{name}.npz") for name in ("tensorflow", "torch"))
    jax.tree.map(np.testing.assert_array_equal, one.layers, other.layers)
    assert (one.classes, other.classes.shape) == (None, (12, 5))
    assert one.sha256 != other.sha256


def test_absent_weights_are_named_with_where_to_put_them(tmp_path, monkeypatch):
    monkeypatch.setenv("DFM_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"weights/fid_inception_v3.npz.* is absent; save it there"):
        inception.load()


def test_other_files_are_refused(arrays, tmp_path):
    path = tmp_path / "a.npz"
    del arrays["mixed_3.conv.beta"]
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=r"a.npz does not hold the weights .*mixed_3.conv.beta"):
        inception.load(path)
    path.write_bytes(b"PK damaged")
    with pytest.raises(ValueError, match=r"a.npz does not hold the weights"):
        inception.load(path)


def test_a_file_of_torch_without_torch_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "a.pth").write_bytes(b"")
    with pytest.raises(ImportError, match=r"a.pth is a file of PyTorch.*pip install torch"):
        inception.load(tmp_path / "a.pth")


@pytest.mark.parametrize("side", [32, 40, 400])
def test_images_are_resized_bilinearly_with_half_pixel_centers(side):
    image = np.random.default_rng(0).integers(0, 256, (1, side, side, 1), np.uint8)
    at = np.clip((np.arange(299) + 0.5) * side / 299 - 0.5, 0, side - 1)
    low = np.minimum(at.astype(int), side - 2)
    matrix = np.zeros((299, side))
    matrix[range(299), low], matrix[range(299), low + 1] = 1 - (at - low), at - low
    expected = 2 * (matrix @ image[0, :, :, 0] @ matrix.T) / 255 - 1
    found = inception.resize(jnp.asarray(image))
    assert found.shape == (1, 299, 299, 3)
    for channel in range(3):
        np.testing.assert_allclose(found[0, :, :, channel], expected, atol=1e-4)


def test_pools_leave_the_padding_out():
    x = np.random.default_rng(0).normal(size=(2, 7, 6, 3)).astype(np.float32) - 5
    around = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(around, (3, 3), (1, 2))
    np.testing.assert_allclose(blocks.average(jnp.asarray(x)), np.nanmean(windows, (4, 5)), rtol=1e-5)
    np.testing.assert_array_equal(blocks.same_maximum(jnp.asarray(x)), np.nanmax(windows, (4, 5)))
    np.testing.assert_array_equal(
        blocks.maximum(jnp.asarray(x), 2), np.max(windows, (4, 5))[:, 1:-1:2, 1:-1:2]
    )


def test_features_are_of_each_image_alone_and_gray_is_rgb(arrays):
    weights = inception.Weights(inception.from_tensorflow(arrays), None, "")
    images = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 1), np.uint8)
    told = []
    found = inception.features(weights, np.tile(images, 3), lambda *args: told.append(args))
    assert (found.shape, found.dtype) == ((6, 12), np.float32)
    assert np.ptp(found, 0).min() > 1
    assert told[-1] == (1, "6 of 6 images through Inception")
    np.testing.assert_allclose(inception.features(weights, images[5:]), found[5:], rtol=1e-5)
    frozen = [1440.15, 1931.12, 3265.69, 599.121, 1832.68, 608.460]  # when they agreed with the oracle
    frozen += [3605.02, 3110.51, 2764.90, 2336.57, 2272.97, 1487.28]
    np.testing.assert_allclose(found[0], frozen, rtol=1e-4)


def test_images_with_alpha_are_refused(arrays):
    weights = inception.Weights(inception.from_tensorflow(arrays), None, "")
    with pytest.raises(ValueError, match="4 channels; give 1"):
        inception.features(weights, np.zeros((1, 32, 32, 4), np.uint8))


def test_probabilities_are_the_softmax_of_classes(arrays):
    layout = as_torch(arrays)
    classes = layout["fc.weight"].T
    features = np.random.default_rng(0).normal(size=(3, 12)).astype(np.float32)
    found = inception.probabilities(inception.Weights({}, classes, ""), features)
    odds = np.exp(features @ classes)
    np.testing.assert_allclose(found, odds / odds.sum(1, keepdims=True), rtol=1e-5)
    with pytest.raises(ValueError, match="no layer of classes"):
        inception.probabilities(inception.Weights({}, None, ""), features)


@pytest.mark.skipif(not ORACLE.exists(), reason="there are no features to compare with")
def test_features_are_those_of_the_network_of_fid():
    try:
        weights = inception.load()
    except FileNotFoundError:
        pytest.skip("there are no weights")
    expected = np.load(ORACLE)["features"][:4]
    found = inception.features(weights, datasets.load("cifar10").test.images[: len(expected)])
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * expected.std())
