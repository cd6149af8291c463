"""Restoration: what is taken away, and that training gives it back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dfm import image, train
from dfm.batch import Batch
from experiments import datasets, pictures, restore, rows
from experiments import train as training
from models import restoration


def make(shape=(1, 8, 8, 3), **settings):
    return restoration.Model(restoration.Config(widths=(8,), **settings), shape, rngs=nnx.Rngs(0))


def tinted(count):
    """Draw waves whose color is known from their luma: red where dark, blue where bright."""
    phase, *waves = np.random.default_rng(0).uniform(0, 1, (3, count, 1, 1, 1))
    y, x = np.mgrid[:8, :8][..., None] / 4
    light = 0.5 + 0.5 * np.sin(6 * phase + waves[0] * y + waves[1] * x)
    images = np.concatenate([1 - light, 0.5 + 0 * light, light], -1)
    return Batch(jnp.asarray(images, jnp.float32), jnp.zeros(count, int), jnp.arange(count))


def test_noise_has_the_deviation_and_another_key_draws_another():
    images = jnp.full((100, 8, 8, 3), 0.5)
    degrade = jax.jit(make(sigma=51).degrade)
    noisy = degrade(images, jax.random.key(0))
    assert noisy.std() == pytest.approx(0.2, rel=0.03)
    assert noisy.mean() == pytest.approx(0.5, abs=0.01)
    assert (noisy != degrade(images, jax.random.key(1))).all()


def test_gray_images_have_the_luma_of_bt601_and_no_more():
    images = jax.random.uniform(jax.random.key(0), (2, 4, 5, 3))
    gray = make(damage="gray").degrade(images, jax.random.key(0))
    np.testing.assert_allclose(
        gray, np.repeat(images @ np.array([[0.299], [0.587], [0.114]]), 3, -1), atol=1e-5
    )


@pytest.mark.parametrize(("damage", "error"), [("noise", "squares"), ("gray", "absolute")])
def test_training_gives_back_what_was_lost(damage, error):
    data, key = tinted(100), jax.random.key(9)
    model = make(damage=damage, error=error, sigma=76)
    settings = train.Config(steps=60, batch=25, learning_rate=1e-2, warmup=5)
    trained = train.fit(model, restoration.loss, data, settings)

    @jax.jit
    def deviations(images):
        degraded = trained.degrade(images, key)
        return jnp.std(degraded - images), jnp.std(trained.restore(degraded) - images)

    degraded, restored = deviations(data.images)
    assert restored < 0.7 * degraded


def test_the_loss_is_the_mean_of_the_error_it_names():
    data, key = tinted(10), jax.random.key(0)
    values = {}
    for error in ("squares", "absolute"):
        model = make(error=error)
        values[error], _ = jax.jit(lambda model=model: restoration.loss(model, data, key))()
    off = model.restore(model.degrade(data.images, key)) - data.images
    assert values["squares"] == pytest.approx(float(jnp.mean(off**2)), rel=1e-4)
    assert values["absolute"] == pytest.approx(float(jnp.mean(jnp.abs(off))), rel=1e-4)


def test_psnr_is_that_of_the_mean_error():
    a = np.zeros((2, 4, 4, 1))
    b = np.stack([np.full((4, 4, 1), 0.1), np.full((4, 4, 1), 0.01)])
    assert pictures.psnr(a, b) == pytest.approx(-10 * np.log10((1e-2 + 1e-4) / 2), abs=1e-4)


def test_a_training_is_measured(tmp_path, monkeypatch, capsys):
    split = datasets.Split(np.full((40, 8, 8, 3), 128, np.uint8), np.zeros(40, np.int64))
    monkeypatch.setattr(datasets, "load", lambda name: datasets.Dataset(split, split))
    config, results = tmp_path / "c.toml", tmp_path / "rows.jsonl"
    config.write_text(
        'model = "restoration"\ndata = "flat"\nlog_every = 2\nsave_every = 2\n'
        "settings = {widths = [2]}\ntrain = {steps = 2, batch = 8}\n"
    )
    training.main([str(config), "--run", str(tmp_path / "run")])
    restore.main([str(tmp_path / "run"), "--results", str(results)])
    (row,) = rows.read(results)
    assert row["degraded_psnr_db"] == pytest.approx(20 * np.log10(255 / 25), abs=0.1)
    assert f"| {row['psnr_db']:.2f} |" in capsys.readouterr().out
    assert image.read(tmp_path / "run" / "restoration.png").shape == (3 * 10 + 2, 10 * 10 + 2, 3)
