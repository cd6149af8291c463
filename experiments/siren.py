"""Fit the baseline COIN (Dupont et al., 2021): a SIREN whose weights are stored in 16 bits.

Where that makes it stronger in a given time it departs from COIN, which takes full batches at a rate of 2e-4:
minibatches that each cover the image, a cosine schedule from a higher rate, and a fast sine.
"""

import functools
import itertools
import math
import time
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, UInt8

from dfm import metrics
from dfm.codecs.coordinate import points
from experiments import sine

OMEGA = 30.0

LOOK = 25 << 13  # points between two looks at the clock
_ADAM = optax.adam(1.0)

Layer = tuple[Float[Array, "n m"], Float[Array, " n"]]


class Shape(NamedTuple):
    """Hold the number of layers with a sine, and their width."""

    depth: int
    width: int

    def parameters(self, channels: int) -> int:
        """Count weights and biases."""
        dims = _dims(self, channels)
        return sum((m + 1) * n for m, n in itertools.pairwise(dims))


class Config(NamedTuple):
    """Hold the first rate of Adam in a cosine schedule, and the pixels of a step."""

    learning_rate: float = 2e-3
    batch: int = 1 << 11


DEFAULT = Config()


class Fitted(NamedTuple):
    """Hold the float16 layers, their bytes, and the steps and seconds of the fit, compilation included."""

    layers: list[Layer]
    n_bytes: int
    steps: int
    seconds: float


class State(NamedTuple):
    """Hold all that a step changes."""

    layers: list[Layer]
    memory: optax.OptState


def shape(text: str) -> Shape:
    """Read a shape as COIN writes it: "5x20" is 5 layers of width 20.

    Raises:
        ValueError: it is written otherwise.
    """
    depth, _, width = text.partition("x")
    if not (depth.isdecimal() and width.isdecimal() and int(depth) and int(width)):
        raise ValueError(f"the shape of a SIREN is {text!r}; write layers x width, such as 5x20")
    return Shape(int(depth), int(width))


def init(key: PRNGKeyArray, widths: Shape, channels: int) -> list[Layer]:
    """Draw weights and biases (Sitzmann et al., 2020, section 3.2), all uniform up to COIN's bounds."""
    layers = []
    for i, (m, n) in enumerate(itertools.pairwise(_dims(widths, channels))):
        bound = 1 / m if i == 0 else math.sqrt(6 / m) / OMEGA
        key, *keys = jax.random.split(key, 3)
        draw = functools.partial(jax.random.uniform, minval=-bound, maxval=bound)
        layers.append((draw(keys[0], (n, m)), draw(keys[1], (n,))))
    return layers


def apply(layers: list[Layer], x: Float[Array, "points 2"]) -> Float[Array, "points c"]:
    """Evaluate the network at positions in [-1, 1]: colors, mostly in [0, 1]."""
    h = x.T
    for w, b in layers[:-1]:
        h = sine.sine(OMEGA * (w @ h + b[:, None]))
    w, b = layers[-1]
    return (w @ h + b[:, None]).T + 0.5


def fit(
    image: UInt8[np.ndarray, "h w c"],
    widths: Shape,
    seconds: float,
    config: Config = DEFAULT,
    *,
    seed: int = 0,
) -> Fitted:
    """Train for so many seconds, compilation included, and keep the weights with the least loss."""
    start = time.perf_counter()
    data = _data(image, config.batch, seed)
    state = _start(seed, widths, image.shape[2])
    order = _order(len(data.x), seed)
    chunk = max(1, LOOK // data.x[0, ..., 0].size)
    best, least, steps, first, spent = state.layers, math.inf, 0, 0.0, 0.0
    while steps == 0 or spent + (spent - first) / max(1, steps / chunk - 1) <= seconds:
        fraction = (spent - first) / max(seconds - first, 1e-9)
        rate = config.learning_rate * (1 + math.cos(math.pi * min(1.0, fraction))) / 2
        pick = np.fromiter(itertools.islice(order, chunk), np.int32)
        state, loss = _steps(state, data, pick, rate)
        if float(loss) < least:
            best, least = jax.tree.map(jnp.copy, state.layers), float(loss)
        steps, spent = steps + chunk, time.perf_counter() - start
        first = first or spent
    layers = [(w.astype(jnp.float16), b.astype(jnp.float16)) for w, b in best]
    return Fitted(layers, sum(w.nbytes + b.nbytes for w, b in layers), steps, spent)


def render(layers: list[Layer], height: int, width: int) -> UInt8[np.ndarray, "h w c"]:
    """Evaluate the stored network at every pixel, in float32."""
    y, x = ((2 * np.arange(n) + 1) / n - 1 for n in (height, width))
    grid = np.stack(np.broadcast_arrays(x[None, :], y[:, None]), axis=-1).astype(np.float32)
    rows = jax.lax.map(functools.partial(apply, jax.tree.map(jnp.float32, layers)), grid)
    return np.asarray(jnp.rint(255 * jnp.clip(rows, 0, 1))).astype(np.uint8)


def psnr(image: UInt8[np.ndarray, "h w c"], fitted: Fitted) -> float:
    """Measure the PSNR in dB of the stored network, with its pixels rounded to 8 bits."""
    return metrics.psnr(image, render(fitted.layers, *image.shape[:2]))


def _dims(widths: Shape, channels: int) -> list[int]:
    return [2, *[widths.width] * widths.depth, channels]


def _data(image: UInt8[np.ndarray, "h w c"], batch: int, seed: int) -> points.Points:
    """Batch the pixels as the coordinate codec does, with positions in [-1, 1] and colors in [0, 1]."""
    data = points.lattices(image, float(image.shape[0] * image.shape[1]), batch, seed)
    return data._replace(x=4 * data.x, y=(data.y + 1) / 2)


def _start(seed: int, widths: Shape, channels: int) -> State:
    layers = init(jax.random.key(seed), widths, channels)
    return State(layers, _ADAM.init(layers))


def _order(batches: int, seed: int) -> Iterator[int]:
    random = np.random.default_rng(seed)
    return itertools.chain.from_iterable(random.permutation(batches) for _ in itertools.count())


def _loss(layers: list[Layer], x: Float[Array, "points 2"], y: Float[Array, "points c"]) -> Float[Array, ""]:
    return jnp.mean((apply(layers, x) - y) ** 2)


@functools.partial(jax.jit, donate_argnames="state")
def _steps(
    state: State, data: points.Points, order: Int[Array, " steps"], rate: Float[Array, ""]
) -> tuple[State, Float[Array, ""]]:
    """Take a step for each batch of `order`; give their mean loss."""

    def step(state: State, pick: Array) -> tuple[State, Array]:
        loss, gradient = jax.value_and_grad(_loss)(state.layers, data.x[pick], data.y[pick])
        updates, memory = _ADAM.update(gradient, state.memory)
        updates = jax.tree.map(lambda v: rate * v, updates)
        return State(optax.apply_updates(state.layers, updates), memory), loss

    state, losses = jax.lax.scan(step, state, order)
    return state, jnp.mean(losses)
