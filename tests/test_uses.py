"""What trained models are used for: classes from latents, anomalies, and maps."""

from pathlib import Path

import numpy as np
import pytest

from dfm import image
from experiments import anomaly, latent_map, probe, rows, run
from experiments import train as training

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train a variational autoencoder with two latents on the digits."""
    place = tmp_path_factory.mktemp("runs") / "vae"
    settings = ["data=digits", "settings.latent=2", "settings.dense=[64]", "settings.beta=0.1"]
    short = ["train.steps=400", "train.batch=120", "log_every=100", "save_every=400"]
    training.main([str(ROOT / "configs" / "vae_mnist.toml"), "--run", str(place), *settings, *short])
    return place


def test_two_latents_tell_most_digits_apart(trained, tmp_path, capsys):
    results = tmp_path / "rows.jsonl"
    probe.main([str(trained), "--shares", "1,0.2", "--steps", "60", "--results", str(results)])
    found = rows.read(results)
    assert [row["labels"] for row in found] == [1500, 300]
    assert found[0]["probe_accuracy"] > 0.5
    assert found[0]["scratch_accuracy"] > found[1]["scratch_accuracy"] > 0.5
    assert f"| vae | 1500 | {100 * found[0]['probe_accuracy']:.2f} % |" in capsys.readouterr().out


def test_accuracies_are_of_the_test_images(trained):
    opened = run.open(trained)
    labels = np.random.default_rng(0).permutation(opened.data.test.labels)
    mixed = opened._replace(data=opened.data._replace(test=opened.data.test._replace(labels=labels)))
    row = probe.measure(mixed, 0.2, 20, 0)
    assert row["probe_accuracy"] < 0.25
    assert row["scratch_accuracy"] < 0.25


def test_a_share_takes_as_much_of_each_class():
    labels = np.repeat([0, 1, 2], [10, 20, 40])
    chosen = probe.stratified(labels, 0.2, 0)
    assert np.bincount(labels[chosen]).tolist() == [2, 4, 8]
    assert len(set(chosen)) == 14
    with pytest.raises(ValueError, match="of the labels leaves a class without"):
        probe.stratified(labels, 0.01, 0)


def test_a_class_that_was_never_seen_is_reconstructed_worse(tmp_path, capsys):
    config, results = tmp_path / "c.toml", tmp_path / "rows.jsonl"
    config.write_text(
        'model = "vae"\ndata = "digits"\nheld = [0]\n'
        f'results = "{results}"\nsettings = {{latent = 8, dense = [64], beta = 0.1}}\n'
        "train = {steps = 400, batch = 100, learning_rate = 3e-3}\n"
    )
    for _ in range(2):
        anomaly.main([str(config)])
    (found,) = rows.read(results)
    assert found["auroc"] > 0.8
    assert f"| AUROC | {found['auroc']:.3f} | {found['auroc']:.3f} |" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="held is 11, and digits has no such class"):
        anomaly.main([str(config), "held=[11]"])
    with pytest.raises(SystemExit, match="classifier does not reconstruct"):
        anomaly.main([str(config), "model=classifier"])


def test_a_map_covers_the_prior_evenly(trained, tmp_path):
    points = latent_map.quantiles(20)
    assert points.shape == (400, 2)
    assert abs(np.mean(points < 0.6744898) - 0.75) < 1e-6
    assert points[0, 0] == points[0, 1] * -1 == points[:, 0].min()
    latent_map.main([str(trained), "--out", str(tmp_path)])
    assert image.read(tmp_path / "map.png").shape == (202, 202)
    assert image.read(tmp_path / "codes.png").shape[2] in (3, 4)
