"""Distances between sets of features: closed forms, invariances, limits, SciPy and scikit-learn."""

import numpy as np
import pytest
from scipy import linalg
from sklearn import neighbors
from sklearn.metrics import pairwise

from experiments import fid


@pytest.fixture
def random():
    return np.random.default_rng(0)


def whitened(random, n, d):
    """Give features with a mean of 0 and a covariance of 1, to rounding."""
    x = random.normal(size=(n, d))
    x -= x.mean(0)
    return x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T


def test_frechet_is_that_of_gaussians_that_commute(random):
    a, b = (whitened(random, n, 4) for n in (50, 60))
    s_a, s_b, m = np.array([1, 2, 3, 4]), np.array([2, 2, 1, 0]), np.array([1, 0, -1, 2])
    expected = np.sum(m**2) + np.sum((s_a - s_b) ** 2)  # with standard deviations s
    assert fid.frechet(a * s_a + m, b * s_b) == pytest.approx(expected)


@pytest.mark.parametrize(("n", "m"), [(40, 30), (40, 5), (2, 3)])
def test_frechet_is_that_of_scipys_root(random, n, m):
    a, b = random.normal(size=(n, 8)), random.normal(size=(m, 8)) @ random.normal(size=(8, 8)) + 1
    s_a, s_b = (np.cov(x, rowvar=False) for x in (a, b))
    half = linalg.sqrtm(s_a + 1e-13 * np.eye(8)).real
    root = np.sqrt(np.maximum(linalg.eigvalsh(half @ s_b @ half), 0)).sum()
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(s_a + s_b) - 2 * root
    assert fid.frechet(a, b) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("n", [3, 100])
def test_frechet_of_equal_sets_is_zero(random, n):
    a = random.normal(size=(n, 20)).astype(np.float32)
    assert fid.frechet(a, random.permutation(a)) == pytest.approx(0, abs=1e-5)


def test_frechet_is_symmetric_and_does_not_depend_on_axes(random):
    a, b = random.normal(size=(30, 6)), random.normal(1, 2, size=(40, 6))
    turned = np.linalg.qr(random.normal(size=(6, 6)))[0]
    expected = fid.frechet(a, b)
    assert fid.frechet(b, a) == pytest.approx(expected)
    assert fid.frechet(a @ turned + 3, b @ turned + 3) == pytest.approx(expected)


def test_kid_is_that_of_scikit_learns_kernel(random):
    a, b = random.normal(size=(30, 5)), random.normal(0.5, 1, size=(30, 5))
    k_a, k_b, k = (
        pairwise.polynomial_kernel(x, y, degree=3, gamma=1 / 5) for x, y in ((a, a), (b, b), (a, b))
    )
    apart = ~np.eye(30, dtype=bool)
    mean, deviation = fid.kid(a, b, subsets=3)
    assert mean == pytest.approx(k_a[apart].mean() + k_b[apart].mean() - 2 * k.mean())
    assert deviation == pytest.approx(0, abs=1e-12)


def test_kid_of_one_distribution_is_zero_on_average_but_not_of_two(random):
    a, b = random.normal(size=(2, 2000, 4))
    mean, deviation = fid.kid(a, b, size=200)
    assert abs(mean) < deviation
    mean, deviation = fid.kid(a, b + 1, size=200)
    assert mean > 5 * deviation


def test_the_seed_of_kid_fixes_its_subsets(random):
    a, b = random.normal(size=(2, 50, 4))
    first, again, other = (fid.kid(a, b, subsets=5, size=20, seed=seed) for seed in (0, 0, 1))
    assert first == again != other


def test_precision_and_recall_are_those_of_scikit_learns_neighbors(random, monkeypatch):
    monkeypatch.setattr(fid, "_BLOCK", 7)
    real, made = random.normal(size=(40, 3)), random.normal(1, 0.5, size=(30, 3))

    def among(x, others):
        reach = neighbors.NearestNeighbors(n_neighbors=3).fit(others).kneighbors()[0][:, -1]
        return (pairwise.euclidean_distances(x, others) <= reach).any(1).mean()

    assert fid.precision_recall(real, made) == pytest.approx((among(made, real), among(real, made)))


def test_limits_of_precision_and_recall(random):
    real = random.normal(size=(60, 4))
    assert fid.precision_recall(real, real) == (1, 1)
    assert fid.precision_recall(real, real + 100) == (0, 0)
    precision, recall = fid.precision_recall(real, real[:1] + 1e-6 * random.normal(size=(60, 4)))
    assert (precision, recall) == (1, 1 / 60)  # all are nearly one: good, but of no variety
    half = np.concatenate([real[:30], real[:30] + 100])
    assert fid.precision_recall(real, half)[0] == 0.5


def test_inception_score_counts_the_classes(random):
    certain = np.eye(10)[np.tile(np.arange(10), 20)]
    assert fid.inception_score(certain) == pytest.approx((10, 0))
    assert fid.inception_score(np.full((50, 10), 0.1)) == pytest.approx((1, 0))
    assert fid.inception_score(certain[::10]) == pytest.approx((1, 0))
    p = random.dirichlet(np.ones(5), 40)
    entropies = [-np.sum(q * np.log(q), -1) for q in (p.mean(0), p)]
    assert fid.inception_score(p, 1)[0] == pytest.approx(np.exp(entropies[0] - entropies[1].mean()))


def test_sets_that_cannot_be_compared_are_refused(random):
    a = random.normal(size=(10, 4))
    for measure in (fid.frechet, fid.kid, fid.precision_recall):
        with pytest.raises(ValueError, match=r"\(10, 4\) and \(10, 3\)"):
            measure(a, a[:, :3])
        with pytest.raises(ValueError, match=r"\(1, 4\)"):
            measure(a, a[:1])
    with pytest.raises(ValueError, match="4 images or more"):
        fid.precision_recall(a, a[:3])
    with pytest.raises(ValueError, match="4 images cannot be split into 10"):
        fid.inception_score(a[:4])
