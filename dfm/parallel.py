"""Spread one training over all devices of all processes: state is replicated, batches are sharded.

The same step runs on one CPU, on eight GPUs, and on many hosts: `jax.sharding` succeeds `jax.pmap`.
"""

import os
from collections.abc import Sequence
from typing import TypeVar

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

T = TypeVar("T")

_AXIS = "data"
_SCHEDULERS = ("SLURM_STEP_NODELIST", "OMPI_MCA_orte_hnp_uri", "JAX_COORDINATOR_ADDRESS")


def initialize(coordinator: str = "", processes: int = 0, index: int = 0) -> None:
    """Join the other processes of a training; call it before anything else touches a device.

    Args:
        coordinator: address "host:port" of process 0; empty where a scheduler's environment tells it, or
            where there is one process alone.
        processes: how many there are.
        index: which one this is, from 0.
    """
    if coordinator:
        jax.distributed.initialize(coordinator, processes, index)
    elif any(name in os.environ for name in _SCHEDULERS):
        jax.distributed.initialize()


def first_process() -> bool:
    """Tell whether this process is the one that writes files and talks."""
    return jax.process_index() == 0


def mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Put devices, by default all of all processes, in one row."""
    chosen = list(jax.devices() if devices is None else devices)
    return jax.make_mesh((len(chosen),), (_AXIS,), (AxisType.Auto,), devices=chosen)


def whole(mesh: Mesh) -> NamedSharding:
    """Give the sharding of what every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())


def split(mesh: Mesh, axis: int = 0) -> NamedSharding:
    """Give the sharding of what is split along `axis`, a part a device."""
    return NamedSharding(mesh, PartitionSpec(*[None] * axis, _AXIS))


def replicate(tree: T, mesh: Mesh) -> T:
    """Put arrays whole on every device; each process holds the same ones."""
    laid: T = jax.device_put(tree, whole(mesh))
    return laid
