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


@pytest.fixture
def flat(tmp_path, monkeypatch):
    """Train models on gray images, one step each, in folders of their names."""
    split = datasets.Split(np.full((40, 8, 8, 3), 128, np.uint8), np.zeros(40, np.int64))
    monkeypatch.setattr(datasets, "load", lambda name: datasets.Dataset(split, split))

    def trained(model, settings):
        config = tmp_path / f"{model}.toml"
        config.write_text(
            f'model = "{model}"\ndata = "flat"\nlog_every = 2\nsave_every = 2\n'
            f"settings = {settings}\ntrain = {{steps = 2, batch = 8}}\n"
        )
        training.main([str(config), "--run", str(tmp_path / model)])
        return str(tmp_path / model)

    return trained


def test_a_training_is_measured(flat, tmp_path, capsys):
    place, results = flat("restoration", "{widths = [2]}"), tmp_path / "rows.jsonl"
    restore.main([place, "--results", str(results)])
    (row,) = rows.read(results)
    assert row["degraded_psnr_db"] == pytest.approx(20 * np.log10(255 / 25), abs=0.1)
    line = f"| restoration | 2 | noise 25/255 | {row['degraded_psnr_db']:.2f} | {row['psnr_db']:.2f} |"
    assert line in capsys.readouterr().out
    shown = image.read(tmp_path / "restoration" / "restoration.png")
    assert shown.shape == (3 * 10 + 2, 10 * 10 + 2, 3)
    assert (shown[2:10, 2:10] == 128).all()
    assert len(np.unique(shown[12:20, 2:10])) > 20


def test_what_is_restored_are_the_degraded_images_of_a_seed(flat, tmp_path, monkeypatch):
    place, results = flat("restoration", "{widths = [2]}"), tmp_path / "rows.jsonl"
    monkeypatch.setattr(restoration.Model, "restore", lambda model, degraded: degraded)
    for seed in ("0", "1"):
        restore.main([place, "--seed", seed, "--results", str(results)])
    first, second = rows.read(results)
    assert first["psnr_db"] == pytest.approx(first["degraded_psnr_db"], abs=1e-3)  # noise that hardly clips
    assert first["degraded_psnr_db"] != second["degraded_psnr_db"]
    shown = image.read(tmp_path / "restoration" / "restoration.png")
    np.testing.assert_array_equal(shown[12:20], shown[22:30])


def test_a_plain_autoencoder_is_measured_under_the_damage_of_another(flat, tmp_path):
    noise = '{noise = "gaussian", level = 0.2, dense = [4]}'
    plain, denoising = flat("autoencoder", "{dense = [4]}"), flat("denoising_autoencoder", noise)
    results = tmp_path / "rows.jsonl"
    for place in (plain, denoising):
        restore.main([place, "--damage", denoising, "--results", str(results)])
    found = rows.read(results)
    assert [row["run"] for row in found] == ["autoencoder", "denoising_autoencoder"]
    assert {row["damage"] for row in found} == {"gaussian 0.2"}
    assert found[0]["degraded_psnr_db"] == found[1]["degraded_psnr_db"]
    assert found[0]["degraded_psnr_db"] == pytest.approx(-20 * np.log10(0.2), abs=0.1)
    assert found[0]["psnr_db"] != found[1]["psnr_db"]


def test_what_damages_or_restores_nothing_is_told(flat):
    plain, unet = flat("autoencoder", "{dense = [4]}"), flat("restoration", "{widths = [2]}")
    drawing = flat("gan", "{}")
    with pytest.raises(SystemExit, match="autoencoder damages nothing; choose a restoration"):
        restore.main([plain])
    with pytest.raises(SystemExit, match="gan restores nothing; choose a restoration"):
        restore.main([drawing, "--damage", unet])
