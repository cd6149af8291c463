"""Maps of neighborhoods and separable filters, which go part by part, against plain ones of the whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from dfm.codecs.latent import filters, grids, planes


@pytest.mark.parametrize("size", [(1, 1), (23, 5)])
@pytest.mark.parametrize("offsets", [planes.AROUND, grids.NEIGHBORS], ids=["around", "causal"])
@pytest.mark.parametrize("mode", ["edge", "constant"])
def test_bands_see_the_neighbors_of_the_whole(monkeypatch, size, offsets, mode):
    monkeypatch.setattr(planes, "_PIXELS", {"cpu": 40})
    random = np.random.default_rng(0)
    x, beside, slope = (jnp.array(random.normal(size=(n, *size))) for n in (3, 2, 3 * len(offsets) + 2))

    def shifted(x, beside):
        return planes.over_shifts(lambda *seen: jnp.concatenate(seen), x, offsets, mode, beside)

    padded = np.pad(x, ((0, 0), (3, 3), (3, 3)), mode=mode)
    rows, columns = np.indices(size) + 3
    expected = np.concatenate([*(padded[:, rows + dy, columns + dx] for dy, dx in offsets), beside])
    np.testing.assert_allclose(shifted(x, beside), expected, rtol=1e-6)
    of_x, of_beside = jax.grad(lambda *given: jnp.vdot(shifted(*given), slope), argnums=(0, 1))(x, beside)
    assert np.vdot(of_x, x) + np.vdot(of_beside, beside) == pytest.approx(np.vdot(expected, slope), rel=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (3, 70), (150, 5), (64, 128)])
def test_blocks_filter_as_the_whole(size):
    random = np.random.default_rng(1)
    x, taps = random.normal(size=(2, *size)), random.normal(size=4)
    sharper, larger = x, x
    for axis in (1, 2):
        sharper = scipy.ndimage.correlate1d(sharper, [*taps, *taps[2::-1]], axis, mode="constant")
        even, odd = (
            scipy.ndimage.correlate1d(larger, kernel, axis, mode="nearest")
            for kernel in ([*taps, 0], [0, *taps[::-1]])
        )
        larger = np.stack([even, odd], axis + 1).reshape(*larger.shape[:axis], -1, *larger.shape[axis + 1 :])
    np.testing.assert_allclose(filters.sharpened(jnp.array(x), jnp.array(taps)), sharper, atol=1e-4)
    np.testing.assert_allclose(filters.doubled(jnp.array(x), jnp.array(taps)), larger, atol=1e-4)
