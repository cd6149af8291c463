"""Laying arrays on devices."""

import jax
import numpy as np

from dfm import parallel


def test_a_batch_is_split_and_a_state_is_whole_everywhere():
    mesh, values = parallel.mesh(), np.arange(16.0).reshape(16, 1)
    assert mesh.size == 8
    split, whole = jax.device_put(values, parallel.split(mesh)), parallel.replicate(values, mesh)
    assert [part.data.shape for part in split.addressable_shards] == [(2, 1)] * 8
    assert [part.data.shape for part in whole.addressable_shards] == [(16, 1)] * 8
    np.testing.assert_array_equal(split, whole)


def test_a_mesh_can_be_of_some_devices():
    assert parallel.mesh(jax.devices()[:2]).size == 2


def test_alone_no_other_process_is_waited_for(monkeypatch):
    for name in parallel._SCHEDULERS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_JOB_ID", "1")  # in an allocation, but not by srun
    parallel.initialize()
    assert parallel.first_process()
