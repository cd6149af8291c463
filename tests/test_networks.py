import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dfm import image
from dfm.codecs.latent import analysis, model, weights
from experiments import crops, networks


@pytest.fixture
def folder(tmp_path):
    """Give a folder of ten pictures of noise."""
    random = np.random.default_rng(0)
    for i in range(10):
        image.write(tmp_path / f"{i}.png", random.integers(0, 256, (40 + i, 50, 3), dtype=np.uint8))
    return tmp_path


def test_weights_are_written_as_the_decoder_reads_them(tmp_path):
    drawn = networks.first(0, 1e-3, 0, "")
    networks.save(tmp_path / "out.npz", networks.rounded(drawn, 1e-3, 0))
    base = weights.read(tmp_path / "out.npz")
    assert base.lambda_ == 1e-3
    assert {name: w.shape for name, w in base.weights.items()} == weights.shapes(0)
    for name, w in drawn.base.items():
        assert base.weights[name] / 2**weights.BITS == pytest.approx(np.asarray(w), abs=2**-13)
    assert set(base.analysis) == set(drawn.analysis)
    assert not list(tmp_path.glob("*.part*"))


def test_weights_out_of_range_are_refused():
    drawn = networks.first(0, 1e-3, 0, "")
    drawn.base["context.1"] = drawn.base["context.1"] + jnp.nan
    with pytest.raises(ValueError, match=r"context\.1 grew too large or diverged; train with a lower"):
        networks.rounded(drawn, 1e-3, 0)


def test_a_start_of_another_lambda_rescales_the_latents(tmp_path):
    drawn = networks.first(0, 1e-3, 0, "")
    networks.save(tmp_path / "start.npz", networks.rounded(drawn, 1e-3, 0))
    started = networks.first(0, 2.5e-4, 0, str(tmp_path / "start.npz"))
    same = functools.partial(np.testing.assert_allclose, rtol=1e-2, atol=1e-3)
    same(started.analysis["1.head"], 2 * drawn.analysis["1.head"])
    same(started.analysis["1"], drawn.analysis["1"])
    same(started.base["synthesis.1"], drawn.base["synthesis.1"] / 2)


def test_octave_0_is_added_without_a_change_of_what_is_there(tmp_path):
    for octave in (0, 1):
        drawn = networks.first(octave, 1e-3, octave, "")
        networks.save(tmp_path / f"{octave}.npz", networks.rounded(drawn, 1e-3, octave))
    start, fine = str(tmp_path / "1.npz"), str(tmp_path / "0.npz")
    coarse, both = networks.first(0, 1e-3, 1, start), networks.first(0, 1e-3, 0, start, fine)
    photo = jnp.asarray(np.random.default_rng(0).random((3, 40, 48)))
    guess = jax.jit(analysis.latents, static_argnames="finest")
    image = jax.jit(model.image, static_argnames=("finest", "size"))
    q = [jnp.round(v) for v in guess(both.analysis, photo, finest=0)]
    assert not np.any(q[-1])
    seen = image(coarse.base, q[:-1], finest=1, size=(40, 48))
    np.testing.assert_allclose(image(both.base, q, finest=0, size=(40, 48)), seen, atol=1e-5)
    q[-1] = q[-1].at[20, 20].set(9)
    assert np.ptp(image(both.base, q, finest=0, size=(40, 48)) - seen) > 1e-3
    assert {name: w.shape for name, w in both.base.items()} == weights.shapes(0)
    assert len({id(w) for w in both.base.values()}) == len(both.base)


def test_a_start_without_the_grids_is_refused(tmp_path):
    networks.save(tmp_path / "1.npz", networks.rounded(networks.first(0, 1e-3, 1, ""), 1e-3, 1))
    with pytest.raises(ValueError, match=r"1\.npz begins at octave 1; add octave 0 to 1 by fine=FILE"):
        networks.first(0, 1e-3, 0, str(tmp_path / "1.npz"))
    with pytest.raises(ValueError, match=r"fine begins at octave 1; give networks with octave 0"):
        networks.first(0, 1e-3, 0, str(tmp_path / "1.npz"), str(tmp_path / "1.npz"))
    with pytest.raises(ValueError, match=r"name them by start=FILE"):
        networks.first(0, 1e-3, 0, "", str(tmp_path / "1.npz"))


def test_crops_are_parts_of_the_photos_or_their_mirror_images(folder):
    pictures = crops.read(folder)
    squares = crops.sample(np.random.default_rng(1), pictures, count=3, side=32)
    assert squares.shape == (3, 3, 32, 32)
    for crop in squares.transpose(0, 2, 3, 1):
        sides = [
            np.lib.stride_tricks.sliding_window_view(photo, (32, 32, 3))[:, :, 0]
            for p in pictures
            for photo in (p, p[:, ::-1])
        ]
        assert any((windows == crop).all(axis=(2, 3, 4)).any() for windows in sides)


def test_crops_come_from_photos_that_are_large_enough():
    random = np.random.default_rng(0)
    small, large = np.zeros((8, 40, 3), np.uint8), np.ones((16, 16, 3), np.uint8)
    assert crops.sample(random, [small, large], count=8, side=16, enlarged=0.5).min() == 1
    with pytest.raises(ValueError, match="a smaller crop"):
        crops.sample(random, [small], count=1, side=16)
