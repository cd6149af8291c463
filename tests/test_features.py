"""Features that are kept, and the protocol of figures."""

import numpy as np
import pytest

from experiments import features, inception

WEIGHTS = inception.Weights({}, None, "0123456789abcdef" * 4)


@pytest.fixture
def passed(tmp_path, monkeypatch):
    """Stand in for Inception, and count what passes through it."""
    found = []

    def means(weights, images, notify):
        found.append(images)
        return images.mean((1, 2)).astype(np.float32)

    monkeypatch.setenv("DFM_DATA", str(tmp_path))
    monkeypatch.setattr(inception, "features", means)
    return found


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(1, 256, (5, 28, 28, 1), np.uint8)


def test_images_pass_through_inception_once(passed, images):
    first, again = (features.of(WEIGHTS, images) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert len(passed) == 1


def test_other_images_and_other_weights_are_told_apart(passed, images):
    features.of(WEIGHTS, images)
    features.of(WEIGHTS, images[::-1])
    features.of(WEIGHTS, images.reshape(5, 28, 14, 2))
    features.of(WEIGHTS._replace(sha256="f" * 64), images)
    assert len(passed) == 4


def test_what_fails_keeps_nothing(passed, images, tmp_path, monkeypatch):
    def fails(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(inception, "features", fails)
    with pytest.raises(KeyboardInterrupt):
        features.of(WEIGHTS, images)
    assert not list(tmp_path.rglob("*.npy"))


def test_small_images_are_padded_with_zeros_to_32(passed, images):
    features.of(WEIGHTS, images)
    assert passed[0].shape == (5, 32, 32, 1)
    np.testing.assert_array_equal(passed[0][:, 2:-2, 2:-2], images)
    assert passed[0].sum() == images.sum()
    odd = features.pad(np.ones((1, 31, 40, 3), np.uint8))
    assert (odd.shape, odd[0, :, 0, 0].tolist()) == ((1, 32, 40, 3), [1] * 31 + [0])


def test_the_protocol_says_what_figures_depend_on(images):
    assert features.protocol(WEIGHTS, images[:3], images, "test") == {
        "weights": "0123456789abcdef",
        "resize": "bilinear, half-pixel centers, no antialiasing, to 299",
        "padding": "zeros around 28 x 28, to 32 x 32",
        "samples": 3,
        "references": 5,
        "split": "test",
    }
    large = np.zeros((2, 32, 64, 3), np.uint8)
    assert features.protocol(WEIGHTS, large, large, "train")["padding"] == "none"
    with pytest.raises(ValueError, match=r"\(28, 28, 1\).*\(32, 64, 3\)"):
        features.protocol(WEIGHTS, images, large, "test")
