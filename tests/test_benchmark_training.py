"""The benchmark of training runs in small without PyTorch, and with it compares equal models."""

import importlib.util

import pytest

from experiments import benchmark_training, rows

CONFIG = "configs/benchmark_training.toml"
SMALL = [
    "side=8",
    "convolutions=[8]",
    "dense=[12]",
    "latent=2",
    "examples=20",
    "batch=8",
    "steps=2",
    "rounds=1",
]


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark_training, "RESULTS", tmp_path / "rows.jsonl")
    return lambda *more: (
        benchmark_training.main([CONFIG, *SMALL, "threads=0", *more]),
        rows.read(tmp_path / "rows.jsonl"),
    )[1]


def test_ours_is_timed_alone(written):
    (row,) = written('parts=["vae"]', "twins=[]")
    assert row["dfm_images_per_s"] > 0
    assert row["dfm_cpu_ms"] > 0


def test_the_generator_is_timed_both_ways(written):
    (row,) = written('parts=["generator"]', "widths=[3]", "images=2")
    assert row["fourier_ms"] > 0
    assert row["direct_over_fourier"] > 0


def test_the_direct_formula_is_the_network():
    import jax
    import numpy as np

    from dfm import network

    stored = network.init(jax.random.key(0), 3, 3, 1)
    x = jax.random.uniform(jax.random.key(1), (7, 2))
    np.testing.assert_allclose(benchmark_training._direct(stored, x), network.apply(stored, x), atol=1e-5)


def test_devices_are_timed_in_processes_of_their_own(written):
    (row,) = written('parts=["devices"]', "devices=[2]")
    assert row["devices"] == 2
    assert row["images_per_s"] > 0


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is no dependency")
def test_twins_have_the_loss_of_the_model(written):
    (row,) = written('parts=["vae"]', 'twins=["gather", "loader"]')
    assert row["speed_over_loader"] > 0


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="PyTorch is here")
def test_without_pytorch_twins_are_refused(written):
    with pytest.raises(SystemExit, match="install torch"):
        written('parts=["vae"]', 'twins=["gather"]')
