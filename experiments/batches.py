"""Evaluate a trained model on many examples."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array

from dfm import train
from dfm.batch import Batch


def apply(model: Any, function: Callable[..., Array], *given: np.ndarray, batch: int = 500) -> np.ndarray:
    """Evaluate `function(model, *given)` batch by batch along the first axes, compiled once."""
    graph, state = nnx.split(model)
    compiled = jax.jit(lambda state, *part: function(nnx.merge(graph, state), *part))
    count = len(given[0])
    batch = min(batch, count)
    found = []
    for at in range(0, count, batch):
        part = [values[np.minimum(np.arange(at, at + batch), count - 1)] for values in given]
        found.append(np.asarray(compiled(state, *part)))
    return np.concatenate(found)[:count]


def metrics(model: Any, loss: train.Loss, given: Batch, seed: int) -> dict[str, float]:
    """Average what a loss tells of each example by itself, which leaves no variable of the model changed."""
    keys = jax.random.key_data(jax.random.split(jax.random.key(seed), len(given.images)))
    names: list[str] = []

    def told(model: Any, *batch: Array) -> Array:
        graph, state = nnx.split(model)

        def of_one(image: Array, label: Array, index: Array, key: Array) -> Array:
            one = Batch(image[None], label[None], index[None])
            _, found = loss(nnx.merge(graph, state, copy=True), one, jax.random.wrap_key_data(key))
            names[:] = found
            return jnp.stack(list(found.values()))

        return jax.vmap(of_one)(*batch)

    values = apply(model, told, *map(np.asarray, (*given, keys)), batch=100)
    return dict(zip(names, values.mean(0, dtype=np.float64).tolist(), strict=True))
