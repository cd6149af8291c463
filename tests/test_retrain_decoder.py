"""A decoder retrained against a frozen encoder."""

import jax
import numpy as np
from flax import nnx

from dfm import train
from experiments import datasets, retrain_decoder, rows, run
from models import spatial_vae
from tests.test_models import images

SHAPE = 32, 8, 8, 1


def leaves(module):
    return [np.array(leaf) for leaf in jax.tree.leaves(nnx.state(module))]


def test_the_encoder_keeps_its_bits_and_the_decoder_learns():
    config = spatial_vae.Config(widths=(4, 8), latent=2, beta=1e-2)
    first = spatial_vae.Model(config, SHAPE, rngs=nnx.Rngs(0))
    fresh = retrain_decoder.with_fresh_decoder(first, SHAPE, 1)
    assert any((a != b).any() for a, b in zip(leaves(first.decoder), leaves(fresh.decoder), strict=True))
    kept = leaves(first.encoder)
    split = datasets.Split(images(32, SHAPE[1:]), np.zeros(32, int))
    settings = train.Config(steps=30, batch=16, learning_rate=1e-2, warmup=1)
    trained = train.fit(fresh, run.Loss(retrain_decoder.loss), run.arrays(split), settings)
    for before, after in zip(kept, leaves(trained.encoder), strict=True):
        np.testing.assert_array_equal(before, after)
    assert retrain_decoder.psnr(trained, split.images) > retrain_decoder.psnr(fresh, split.images) + 1


def test_a_fresh_decoder_reconstructs_as_well(tmp_path, capsys, monkeypatch):
    split = datasets.Split(images(64, SHAPE[1:]), np.zeros(64, int))
    monkeypatch.setattr(datasets, "load", lambda name: datasets.Dataset(split, split))
    config, results = tmp_path / "c.toml", tmp_path / "rows.jsonl"
    config.write_text(
        f'data = "waves"\nsteps = 60\nlearning_rate = 5e-3\nresults = "{results}"\n'
        "settings = {widths = [8, 8], latent = 4}\n"
    )
    for _ in range(2):
        retrain_decoder.main([str(config)])
    (row,) = rows.read(results)
    assert row["fresh_psnr_db"] > row["first_psnr_db"] - 1 > 12
    assert f"| waves | {row['first_psnr_db']:.2f} |" in capsys.readouterr().out
