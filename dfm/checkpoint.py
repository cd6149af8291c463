"""Keep the state of a training in a folder, so that it goes on to the same bits after any end (Orbax)."""

import hashlib
import os
from types import TracebackType
from typing import Self, TypeVar

import jax
import jax.numpy as jnp
from orbax.checkpoint import v1 as ocp

T = TypeVar("T")

_KEPT = 3


class Checkpoints:
    """Write and read the checkpoints of a folder, which is made if need be; the last three are kept.

    Writing goes on beside the training; a checkpoint appears whole or not at all.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = os.path.abspath(folder)
        context = ocp.Context()
        context.array.saving.use_replica_parallel = False  # it compiles a slice of each array for each device
        self._orbax = ocp.training.Checkpointer(
            self._folder,
            context=context,
            preservation_policy=ocp.training.preservation_policies.LatestN(_KEPT),
            cleanup_tmp_directories=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._orbax.close()

    def save(self, step: int, state: object) -> None:
        """Begin to write the state after `step` steps, once the last one is written."""
        self._orbax.wait()
        own = jax.tree.map(
            jnp.copy, state
        )  # the next step takes the arrays of the state while they are written
        self._orbax.save_async(step, own, force=True, custom_metadata={"layout": _layout(own)})

    def latest(self) -> int | None:
        """Give the last step that is on the disk, once all is written, if any."""
        self._orbax.wait()
        newest = self._orbax.latest
        return None if newest is None else int(newest.step)

    def restore(self, like: T) -> T:
        """Read the last state, laid on devices as `like` is.

        Raises:
            ValueError: there is none, or it is that of another model or optimizer.
        """
        if self.latest() is None:
            raise ValueError(f"{self._folder} holds no checkpoint; train first")
        if self._orbax.metadata().custom_metadata != {"layout": _layout(like)}:
            raise ValueError(
                f"{self._folder} holds the state of another model or optimizer; "
                "give the configuration it was made with, or another folder"
            )
        restored: T = self._orbax.load(None, jax.tree.map(_abstract, like))
        return restored


def _layout(state: object) -> str:
    """Sum up the names, shapes and types of all arrays: reading into others fails only half-way."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    names = [f"{jax.tree_util.keystr(path)} {leaf.shape} {leaf.dtype}" for path, leaf in leaves]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _abstract(array: jax.Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=array.sharding)
