"""What latents cost and keep: of a variational, a vector-quantized model, and a prior over codes."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import batches, datasets, latents, pictures, rates, rows, run
from experiments import train as training
from models import vae
from models.layers import normal

ROOT = Path(__file__).parent.parent
SHORT = ["train.steps=10", "train.batch=40", "log_every=5", "save_every=10"]


def trained(place, config, *overrides):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "show", lambda *_: None)
        training.main([str(ROOT / "configs" / f"{config}.toml"), "--run", str(place), *overrides, *SHORT])
    return place


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Train one of each for a few steps on the digits."""
    place = tmp_path_factory.mktemp("runs")
    trained(place / "vae", "vae_mnist", "data=digits", "settings.dense=[16]", "settings.latent=3")
    trained(place / "plain", "autoencoder_mnist", "data=digits", "settings.dense=[16]", "settings.latent=3")
    codes = "settings.convolutions=[4]", "settings.size=8", "settings.levels=2"
    trained(place / "codes", "vq_vae_mnist", "data=digits", *codes)
    small = "settings.codes=8", "settings.width=8", "settings.layers=1"
    trained(place / "prior", "transformer_mnist", f"latents_of={place / 'codes'}", *small)
    return place


def test_the_rate_of_a_variational_one_is_its_divergence_and_draws_are_decoded(runs, tmp_path, capsys):
    results = tmp_path / "rows.jsonl"
    rates.main([str(runs / "vae"), "--results", str(results)])
    (row,) = rows.read(results)
    assert rows.read(runs / "vae" / "rates.jsonl") == [row]
    opened = run.open(runs / "vae")
    model, images = opened.model(), opened.data.test.images
    posterior = model.posterior(jnp.asarray(images / 255, jnp.float32))
    nats = 0.5 * np.sum(
        posterior.mean**2 + np.exp(2 * posterior.log_deviation) - 2 * posterior.log_deviation - 1, axis=1
    )
    assert row["bits"] == pytest.approx(float(nats.mean()) / np.log(2), abs=0.01)
    drawn = model.decode(normal.sample(posterior, jax.random.key(5)))
    assert row["psnr_db"] == pytest.approx(
        pictures.mean_psnr(images, pictures.as_bytes(np.asarray(drawn))), abs=0.1
    )
    assert row["numbers"] == 3
    assert f"| vae | 10 | 3 | – | {row['bits']:,.0f} | {row['psnr_db']:.2f} |" in capsys.readouterr().out


def test_codes_cost_their_indices_and_under_a_prior_its_surprise(runs, tmp_path):
    results = tmp_path / "rows.jsonl"
    for name in ("codes", "prior"):
        rates.main([str(runs / name), "--results", str(results)])
    codes, prior = rows.read(results)
    assert codes["numbers"] == prior["numbers"] == 4 * 4 * 2
    assert codes["bits"] == 3 * codes["numbers"]
    assert 1 <= codes["perplexity"] <= 8
    opened = run.open(runs / "codes")
    images = opened.data.test.images
    shown = pictures.as_bytes(latents.reconstruct(opened.model(), images))
    assert codes["psnr_db"] == pictures.mean_psnr(images, shown)
    opened = run.open(runs / "prior")
    value, _ = opened.module.loss(opened.model(), run.arrays(opened.data.test), jax.random.key(0))
    assert prior["bits"] == pytest.approx(prior["numbers"] * float(value) / np.log(2), rel=1e-3)
    assert "psnr_db" not in prior


def test_metrics_leave_a_codebook_that_learns_by_average_as_it_is(runs):
    opened = run.open(runs / "codes")
    model, split = opened.model(), datasets.Split(*(values[:20] for values in opened.data.test))
    before = np.array(model.quantizer.codebook[...])
    told = batches.metrics(model, run.Loss(opened.module.loss), run.arrays(split), 0)
    assert all(np.isfinite(value) for value in told.values())
    np.testing.assert_array_equal(model.quantizer.codebook[...], before)


def test_a_model_without_rate_is_told(runs):
    with pytest.raises(SystemExit, match="rates: autoencoder has no rate; choose a variational"):
        rates.main([str(runs / "plain")])


def test_metrics_are_those_of_each_example_by_itself(runs):
    opened, some = run.open(runs / "vae"), slice(0, 7)
    split = datasets.Split(*(values[some] for values in opened.data.test))
    told = batches.metrics(opened.model(), run.Loss(vae.loss), run.arrays(split), 3)
    keys = jax.random.split(jax.random.key(3), 7)
    each = [
        run.Loss(vae.loss)(
            opened.model(), run.arrays(datasets.Split(*(values[i : i + 1] for values in split))), keys[i]
        )[1]
        for i in range(7)
    ]
    assert told.keys() == each[0].keys()
    for name, value in told.items():
        assert value == pytest.approx(np.mean([float(one[name]) for one in each]), rel=1e-4)
