"""Digits on photos: what is pasted, and what its labels say."""

import numpy as np
import pytest

from experiments import collages

_RANDOM = np.random.default_rng(0)
PHOTOS = _RANDOM.integers(0, 256, (60, 32, 32, 3), np.uint8)
DIGITS = np.zeros((3, 28, 28, 1), np.uint8)
DIGITS[0, 4:24, 4:24], DIGITS[1, 8:20, 12:16], DIGITS[2, 10:14] = 255, 255, 127
CLASSES = np.array([0, 9, 4])


@pytest.fixture(scope="module")
def pasted():
    return collages.paste(PHOTOS, DIGITS, CLASSES, seed=0)


def test_the_seed_decides(pasted):
    for a, b in zip(pasted, collages.paste(PHOTOS, DIGITS, CLASSES, seed=0), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (collages.paste(PHOTOS, DIGITS, CLASSES, seed=1)[1] != pasted[1]).any()


def test_labels_are_one_more_than_the_digit_and_0_is_the_photo(pasted):
    images, labels = pasted
    assert (images.dtype, labels.dtype) == (np.uint8, np.int64)
    assert set(np.unique(labels)) == {0, 1, 10}  # ink of the third never is over half
    assert all(len(np.unique(label)) <= 2 for label in labels)


def test_a_photo_is_changed_where_the_digit_is_and_hardly_anywhere_else(pasted):
    images, labels = pasted
    changed = (images != PHOTOS).any(-1)
    assert changed[labels > 0].all()
    solid = (labels == 1).any((1, 2))
    border = changed[solid] & (labels[solid] == 0)
    assert 0 < border.mean() < 0.2 * (labels[solid] > 0).mean()  # only where ink blends with the photo


def test_a_digit_is_of_one_color_that_differs_from_the_photo_below(pasted):
    images, labels = pasted
    for photo, image, label in zip(PHOTOS, images, labels, strict=True):
        if (label == 1).any():
            y, x = (int(np.median(axis)) for axis in np.nonzero(label))
            core = image[y - 3 : y + 3, x - 3 : x + 3].reshape(-1, 3)
            below = photo[label == 1].mean(0)
            assert (core == core[0]).all()
            assert (np.abs(core[0] - below) > 40).all()  # of a mean over a larger square, by 80


def test_sizes_and_places_vary(pasted):
    _, labels = pasted
    found = [np.nonzero(label) for label in labels if (label == 1).any()]
    assert {np.ptp(rows) + 1 for rows, _ in found} >= {12, 15, 18}
    assert len({(rows.min(), columns.min()) for rows, columns in found}) > len(found) / 2


def test_the_given_photos_stay(pasted):
    assert not np.shares_memory(pasted[0], PHOTOS)
