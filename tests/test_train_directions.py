import numpy as np
import pytest

from dfm.codecs.latent import weight_changes, weights
from experiments import networks, train_directions
from experiments.train_directions import Seen


def covariance(random: np.random.Generator, side: int) -> np.ndarray:
    factor = random.normal(size=(side, side))
    return factor @ factor.T


@pytest.fixture
def fits():
    """Give 500 fits whose changes are correlated, with one curvature."""
    random = np.random.default_rng(0)
    rows, columns = covariance(random, 3), covariance(random, 5)
    a, b = random.normal(size=(3, 3)), random.normal(size=(5, 5))
    left, right = rows * np.trace(columns), columns * np.trace(rows)
    return [Seen(left, right, 0.01 * a @ random.laplace(size=(3, 5)) @ b) for _ in range(500)]


def floats(along: weights.Directions) -> tuple[np.ndarray, np.ndarray]:
    return along.left * 2.0 ** (weight_changes.STEP_BITS - weights.BITS - along.shift), along.right


def test_a_coefficient_of_one_costs_half_a_bit_a_pixel(fits):
    left, right = floats(train_directions.directions(fits))
    c = np.random.default_rng(1).normal(size=(3, 5))
    change = left @ c @ right.T
    curvature = np.kron(fits[0].left, fits[0].right) / np.trace(fits[0].left)
    assert change.ravel() @ curvature @ change.ravel() == pytest.approx(np.sum(c**2), rel=1e-2)


def test_coefficients_do_not_correlate_and_are_as_large_as_said(fits):
    along = train_directions.directions(fits)
    left, right = floats(along)
    c = np.stack([np.linalg.solve(left, np.linalg.solve(right, seen.change.T).T) for seen in fits])
    for which in ("sij,skj->ik", "sij,sik->jk"):
        found = np.einsum(which, c, c)
        assert np.abs(found - np.diag(np.diag(found))).max() < 1e-2 * np.trace(found)
        assert np.all(np.diff(np.diag(found)) < 0)
    spread = 2.0 ** ((along.spread - weight_changes.LEVEL_OF_ONE) / 8)
    assert np.abs(c).mean(0) == pytest.approx(spread, rel=0.3)


def test_directions_of_fits_to_photos_are_written_beside_the_weights(noise, capsys):
    path = noise / "base.npz"
    networks.save(path, networks.rounded(networks.first(0, 1e-3, 1, ""), 1e-3, 1))
    before = weights.read(path)
    (noise / "c.toml").write_text(
        f'photos = "{noise}"\nbase = "{path}"\nrounds = 1\ncrops = 2\ncrop = 32\nsteps = 13\n'
    )
    train_directions.main([str(noise / "c.toml")])
    assert capsys.readouterr().out.startswith("round 1: loss ")
    after = weights.read(path)
    assert all(np.array_equal(after.weights[name], w) for name, w in before.weights.items())
    for group, along in after.directions.items():
        assert not np.array_equal(along.left, before.directions[group].left)
