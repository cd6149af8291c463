"""Guess the latents of an image in one pass, by a network trained with the base networks."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float16, PRNGKeyArray

from dfm.codecs.latent import grids, planes

WIDTH = 32

Weights = dict[str, Array]


def init(key: PRNGKeyArray, finest: int) -> Weights:
    """Draw weights for grids of the octaves `finest` to 6."""
    keys = iter(jax.random.split(key, 32))

    def layer(m: int, n: int, gain: float) -> Array:
        return jnp.asarray(jax.random.normal(next(keys), (m, n)) * (gain / n) ** 0.5)

    w = {"first": layer(WIDTH, 9 * 12, 2.0), "first.bias": jnp.zeros(WIDTH)}
    for octave in range(1, grids.COARSEST + 1):
        w[f"{octave}"] = layer(WIDTH, 9 * WIDTH, 0.5 if octave == 1 else 2.0)
        w[f"{octave}.bias"] = jnp.zeros(WIDTH)
        w[f"{octave}.head"] = layer(1 + (octave in grids.HYPER), WIDTH, 1.0)
    if finest == 0:
        w["0.head"] = layer(4, WIDTH, 1.0)
    return w


def floats(w: dict[str, Float16[np.ndarray, "..."]]) -> Weights:
    """Give weights, as base networks hold them, in floats."""
    return {name: jnp.asarray(values, jnp.float32) for name, values in w.items()}


def latents(w: Weights, image: Float[Array, "3 h w"], finest: int) -> list[Float[Array, "_h _w"]]:
    """Give latents in units of a symbol, in the order of coding, for pixels in [0, 1]."""
    size = image.shape[1:]
    x = jax.nn.relu(_convolved(w, "first", planes.gathered(image - 0.5)))
    x = jax.nn.relu(x + _convolved(w, "1", x))
    found = {}
    if finest == 0:
        four = planes.mixed(w["0.head"], x, jnp.zeros(4))
        found[grids.Grid(0)] = planes.shuffled(four)[0, : size[0], : size[1]]
    for octave in range(1, grids.COARSEST + 1):
        if octave > 1:
            x = jax.nn.relu(_convolved(w, f"{octave}", x, stride=2))
        head = w[f"{octave}.head"]
        kinds = planes.mixed(head, x, jnp.zeros(len(head)))
        for hyper, values in enumerate(kinds):
            found[grids.Grid(octave, bool(hyper))] = values
    return [found[grid] for grid in grids.order(finest)]


def _convolved(w: Weights, name: str, x: planes.Planes, stride: int = 1) -> planes.Planes:
    """Convolve 3x3 neighborhoods; a stride of 2 gives sides that are halved and rounded up."""
    matrix, bias = w[name], w[f"{name}.bias"][:, None]
    found = planes.over_shifts(lambda seen: matrix @ seen + bias, x, planes.AROUND, "edge")
    return found[:, ::stride, ::stride]
