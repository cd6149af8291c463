"""Layers trained one after another are one autoencoder."""

import jax.numpy as jnp
import numpy as np
import pytest

from dfm import train
from experiments import datasets, layerwise, rows

IMAGES = np.float32(datasets.load("digits").train.images[:200] / 255)
SETTINGS = train.Config(steps=400, batch=100, learning_rate=1e-2, warmup=5)
CONFIG = layerwise.Config(data="digits", latent=4, dense=(16, 8), phase_steps=100, train=SETTINGS)


def kernels(phases):
    return [np.asarray(layer.kernel[...]) for phase in phases for layer in (phase.encoder, phase.decoder)]


def test_stacked_phases_are_the_assembled_autoencoder():
    phases = layerwise.phases(IMAGES, CONFIG)
    model = layerwise.assemble(phases, CONFIG, IMAGES.shape)
    code = jnp.asarray(IMAGES.reshape(len(IMAGES), -1))
    for phase in phases:
        code = phase.encode(code)
    np.testing.assert_allclose(model.encode(jnp.asarray(IMAGES)), code, rtol=1e-4, atol=1e-5)
    made = code
    for phase in reversed(phases):
        made = phase.decode(made)
    np.testing.assert_allclose(model.decode(code), made.reshape(IMAGES.shape), rtol=1e-4, atol=1e-5)


def test_a_phase_leaves_the_layers_before_as_they_are(monkeypatch):
    fit, states = train.fit, []

    def watched(phase, *given):
        states.append(fit(phase, *given))
        seen.append(kernels(states))
        return states[-1]

    seen = []
    monkeypatch.setattr(train, "fit", watched)
    done = kernels(layerwise.phases(IMAGES, CONFIG))
    for before in seen:
        for a, b in zip(before, done, strict=False):
            np.testing.assert_array_equal(a, b)


def test_each_phase_learns_the_codes_of_those_before():
    x = jnp.asarray(IMAGES.reshape(len(IMAGES), -1))
    for phase in layerwise.phases(IMAGES, CONFIG):
        assert layerwise._loss(phase, x, None)[0] < 0.9 * x.var(0).mean()
        x = phase.encode(x)


def test_rows_are_measured_once_and_laid_out(tmp_path):
    config, results = tmp_path / "c.toml", tmp_path / "rows.jsonl"
    config.write_text(
        'data = "digits"\nlatent = 4\ndense = [8]\nphase_steps = 3\n'
        f'results = "{results}"\ntrain = {{steps = 9, batch = 100}}\n'
    )
    for _ in range(2):
        layerwise.main([str(config)])
    measured = rows.read(results)
    assert [row["training"] for row in measured] == ["layer by layer", "end to end"]
    assert f"{measured[0]['untuned_psnr_db']:.2f}" in layerwise.table(measured)
    with pytest.raises(SystemExit, match="phases of 5 steps leave -1 of 9 to fine-tune; choose fewer"):
        layerwise.main([str(config), "phase_steps=5"])
