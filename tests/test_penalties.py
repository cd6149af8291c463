"""Penalties on a code, as an experiment."""

import numpy as np
import pytest

from experiments import datasets, penalties, rows


def test_values_of_a_setting_are_measured_once_and_laid_out(tmp_path, capsys):
    config, results = tmp_path / "c.toml", tmp_path / "rows.jsonl"
    config.write_text(
        f'data = "digits"\nresults = "{results}"\n'
        "penalties = [\n"
        '{model = "sparse_autoencoder", key = "active", values = [0.1, 0.3], metric = "active_share", '
        "settings = {latent = 64}}]\n"
        "train = {steps = 200, batch = 100, learning_rate = 1e-2}\n"
    )
    for _ in range(2):
        penalties.main([str(config)])
    few, many = rows.read(results)
    assert few["value"] == pytest.approx(few["measured"], abs=0.05)
    assert many["value"] == pytest.approx(many["measured"], abs=0.05)
    line = f"| sparse_autoencoder | active 0.1 | active_share {few['measured']:.3g} | {few['psnr_db']:.2f} |"
    assert line in capsys.readouterr().out


def test_images_of_the_test_set_are_measured():
    data = datasets.load("digits")
    black = data._replace(test=data.test._replace(images=np.zeros_like(data.test.images)))
    key = {"model": "sparse_autoencoder", "settings": {"latent": 16}, "key": "active", "value": 0.1}
    key |= {"metric": "active_share", "train": {"steps": 30, "batch": 100}}
    shown, dark = (penalties.measure(split, key) for split in (data, black))
    assert abs(shown["psnr_db"] - dark["psnr_db"]) > 0.5


def test_a_metric_that_no_loss_tells_is_told(tmp_path):
    config = tmp_path / "c.toml"
    config.write_text(
        f'data = "digits"\nresults = "{tmp_path / "rows.jsonl"}"\n'
        'penalties = [{model = "sparse_autoencoder", key = "active", values = [0.1], metric = "norm"}]\n'
        "train = {steps = 1, batch = 100}\n"
    )
    with pytest.raises(SystemExit, match="sparse_autoencoder tells no norm; choose one of psnr_db, penalty"):
        penalties.main([str(config)])
    assert not rows.read(tmp_path / "rows.jsonl")
