"""Segmentation: classes of pixels from a data set with labels for them, and how well they overlap."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dfm import image, train
from dfm.batch import Batch
from experiments import datasets, rows, segment
from experiments import train as training
from models import segmentation

QUICK = segmentation.Config(classes=3, widths=(8,))


def dots(count, side=8, seed=0):
    """Draw dots, class 1, and what lies left of them, class 2, which their surroundings alone tell."""
    random = np.random.default_rng(seed)
    bright = random.random((count, side, side)) < 0.3
    left = np.pad(bright, ((0, 0), (0, 0), (0, 1)))[..., 1:] & ~bright
    images = np.where(bright, 255, random.integers(0, 50, bright.shape)).astype(np.uint8)
    return datasets.Split(images[..., None], (bright + 2 * left).astype(np.int64))


def as_batch(split):
    return Batch(jnp.asarray(split.images / 255, jnp.float32), jnp.asarray(split.labels), jnp.arange(200))


def test_classes_that_only_surroundings_tell_are_learned():
    data = as_batch(dots(200))
    model = segmentation.Model(QUICK, data.images.shape, rngs=nnx.Rngs(0))
    settings = train.Config(steps=60, batch=40, learning_rate=1e-2, warmup=5)
    trained = train.fit(model, segmentation.loss, data, settings)
    test = dots(200, seed=1)
    predicted = jax.jit(lambda x: trained.predict(x))(as_batch(test).images)
    assert min(segment.intersections_over_unions(np.asarray(predicted), test.labels, 3)) > 0.8


def test_intersections_over_unions_are_those_of_sets():
    labels = np.array([[[0, 0, 1], [1, 1, 2]]])
    predicted = np.array([[[0, 1, 1], [1, 0, 0]]])
    found = segment.intersections_over_unions(predicted, labels, 4)
    np.testing.assert_allclose(found, [1 / 4, 2 / 4, 0, np.nan])


def test_a_training_is_measured(tmp_path, monkeypatch, capsys):
    sets = datasets.Dataset(dots(40), dots(20, seed=1))
    monkeypatch.setattr(datasets, "load", lambda name: sets)
    config, results = tmp_path / "c.toml", tmp_path / "rows.jsonl"
    config.write_text(
        'model = "segmentation"\ndata = "dots"\nlog_every = 2\nsave_every = 2\n'
        "settings = {classes = 3, widths = [2]}\ntrain = {steps = 2, batch = 8}\n"
    )
    training.main([str(config), "--run", str(tmp_path / "run")])
    segment.main([str(tmp_path / "run"), "--results", str(results)])
    (row,) = rows.read(results)
    assert row["mean_iou"] == pytest.approx(np.mean([x for x in row["iou"] if x is not None]), abs=1e-4)
    assert f"{row['mean_iou']:.4f}" in capsys.readouterr().out
    assert image.read(tmp_path / "run" / "segmentation.png").shape == (3 * 10 + 2, 10 * 10 + 2, 3)
