"""Windows over cells, blended, against a loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from models.layers import grids

blend = jax.jit(grids.blend)

_RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("side", [2, 4, 6])
def test_blending_is_a_weighted_mean_of_the_windows_over_a_pixel(side):
    windows = _RANDOM.normal(size=(2, 3, 2, 2 * side, 2 * side, 3)).astype(np.float32)
    tent = np.minimum(np.arange(2 * side) + 0.5, 2 * side - 0.5 - np.arange(2 * side)) / side
    weight = np.outer(tent, tent)[..., None]
    total, shares = np.zeros((2, 4 * side, 3 * side, 3)), np.zeros((4 * side, 3 * side, 1))
    for i in range(3):
        for j in range(2):
            place = slice(i * side, (i + 2) * side), slice(j * side, (j + 2) * side)
            total[:, *place] += windows[:, i, j] * weight
            shares[place] += weight
    cut = slice(side // 2, -(side // 2))
    wanted = (total / np.maximum(shares, 1e-9))[:, cut, cut]
    np.testing.assert_allclose(blend(jnp.asarray(windows)), wanted, atol=1e-5)


def test_windows_of_one_plane_show_that_plane():
    side, cells = 4, 3
    y, x = np.mgrid[: (cells + 1) * side, : (cells + 1) * side].astype(np.float32)
    plane = 0.3 * y - 0.1 * x
    windows = np.stack(
        [
            [plane[i * side : (i + 2) * side, j * side : (j + 2) * side] for j in range(cells)]
            for i in range(cells)
        ]
    )
    wanted = plane[side // 2 : -(side // 2), side // 2 : -(side // 2)]
    np.testing.assert_allclose(blend(jnp.asarray(windows)[None, ..., None])[0, ..., 0], wanted, atol=1e-4)


def test_a_window_reaches_no_farther_than_its_neighbors():
    windows = jnp.zeros((1, 5, 1, 4, 4, 1))
    reach = jax.jacfwd(lambda shift: blend(windows.at[0, 2].add(shift))[0, :, 0, 0])(jnp.asarray(0.0))
    np.testing.assert_array_equal(np.flatnonzero(reach), [3, 4, 5, 6])
