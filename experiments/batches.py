"""Evaluate a trained model on many examples."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array


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
