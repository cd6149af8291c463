"""Compare sets of images by their features: FID, KID, precision and recall, and the Inception Score.

Features are rows; those of Inception-v3 (see `inception`), for figures that others can be compared with.
"""

import numpy as np
from jaxtyping import Float
from scipy import special

_BLOCK = 1000  # rows of distances at a time

_Features = Float[np.ndarray, "n features"]


def frechet(a: _Features, b: _Features) -> float:
    """Compute the squared Fréchet distance between Gaussians fitted to two sets: the FID of their images.

    Heusel et al. 2017 (https://arxiv.org/abs/1706.08500), eq. 6:
    |m_a - m_b|^2 + tr(S_a + S_b - 2 sqrt(S_a S_b)). With R R = S_a, the symmetric R S_b R has the
    eigenvalues of S_a S_b, none of them negative but by rounding.

    Raises:
        ValueError: a set has under 2 images, or the sets differ in their features.
    """
    _check(a, b, 2)
    (m_a, s_a), (m_b, s_b) = _gaussian(a), _gaussian(b)
    values, vectors = np.linalg.eigh(s_a)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    trace = np.sum(np.sqrt(np.maximum(np.linalg.eigvalsh(root @ s_b @ root), 0)))
    return float(np.sum((m_a - m_b) ** 2) + np.trace(s_a) + np.trace(s_b) - 2 * trace)


def kid(
    a: _Features, b: _Features, *, subsets: int = 100, size: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Compute KID, with its standard deviation over random subsets, each of `size` images or all there are.

    Bińkowski et al. 2018 (https://arxiv.org/abs/1801.01401), section 4: the unbiased estimate of the squared
    maximum mean discrepancy, with the kernel (x.y / features + 1)^3.

    Raises:
        ValueError: a set has under 2 images, or the sets differ in their features.
    """
    _check(a, b, 2)
    random, size = np.random.default_rng(seed), min(size, len(a), len(b))
    found = []
    for _ in range(subsets):
        x, y = (every[random.choice(len(every), size, replace=False)] for every in (a, b))
        found.append(_discrepancy(x, y))
    return float(np.mean(found)), float(np.std(found))


def precision_recall(real: _Features, made: _Features, k: int = 3) -> tuple[float, float]:
    """Compute how many made images lie among the real ones, and how many real ones among the made.

    Kynkäänniemi et al. 2019 (https://arxiv.org/abs/1904.06991), eq. 1 and 2: an image lies among others where
    any of them is no farther from it than from its own k-th neighbor among the others.

    Raises:
        ValueError: a set has no k-th neighbors, or the sets differ in their features.
    """
    _check(real, made, k + 1)
    around_real, around_made = _reach(real, k), _reach(made, k)
    recalled, precise = [], np.zeros(len(made), bool)
    for start in range(0, len(real), _BLOCK):
        rows = slice(start, start + _BLOCK)
        distances = _distances(real[rows], made)
        precise |= np.any(distances <= around_real[rows, None], 0)
        recalled.append(np.any(distances <= around_made, 1))
    return float(np.mean(precise)), float(np.mean(np.concatenate(recalled)))


def inception_score(probabilities: Float[np.ndarray, "n classes"], splits: int = 10) -> tuple[float, float]:
    """Compute the Inception Score, exp E KL(p(y|x) | p(y)), and its standard deviation over parts of the set.

    Salimans et al. 2016 (https://arxiv.org/abs/1606.03498), section 4.

    Raises:
        ValueError: there are fewer images than splits.
    """
    if len(probabilities) < splits:
        raise ValueError(f"{len(probabilities)} images cannot be split into {splits}")
    scores = []
    for p in np.array_split(np.asarray(probabilities, np.float64), splits):
        divergence = np.sum(special.rel_entr(p, np.mean(p, 0)), 1)
        scores.append(np.exp(np.mean(divergence)))
    return float(np.mean(scores)), float(np.std(scores))


def _check(a: _Features, b: _Features, least: int) -> None:
    if a.shape[1:] != b.shape[1:] or min(len(a), len(b)) < least:
        raise ValueError(
            f"features are {a.shape} and {b.shape}; give {least} images or more, alike in features"
        )


def _gaussian(x: _Features) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, "d d"]]:
    """Fit mean and covariance."""
    x = x.astype(np.float64)
    return np.mean(x, 0), np.cov(x, rowvar=False)


def _discrepancy(x: _Features, y: _Features) -> float:
    n = len(x)
    within = [np.sum(k) - np.trace(k) for k in (_kernel(x, x), _kernel(y, y))]
    return float(sum(within) / (n * (n - 1)) - 2 * np.mean(_kernel(x, y)))


def _kernel(x: _Features, y: _Features) -> Float[np.ndarray, "n m"]:
    return np.asarray(x.astype(np.float64) @ y.T.astype(np.float64) / x.shape[1] + 1) ** 3


def _reach(x: _Features, k: int) -> Float[np.ndarray, " n"]:
    """Measure how far each is from its k-th neighbor, itself not counted."""
    blocks = (_distances(x[start : start + _BLOCK], x) for start in range(0, len(x), _BLOCK))
    return np.concatenate([np.partition(distances, k, 1)[:, k] for distances in blocks])


def _distances(x: _Features, y: _Features) -> Float[np.ndarray, "n m"]:
    """Measure squared distances."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    return np.asarray(np.sum(x**2, 1)[:, None] + np.sum(y**2, 1) - 2 * x @ y.T)
