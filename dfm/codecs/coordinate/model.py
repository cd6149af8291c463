"""Hold a coordinate network while it is fitted, and take steps of an optimizer."""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from dfm import fourier, network
from dfm.codecs.coordinate import payload, points
from dfm.codecs.coordinate.shape import Shape
from dfm.network import Network

_FIRST_STEP = 0.08  # of quantization, in stored units
_STEP_RATE = 3.0  # of the logarithms of these steps, relative to that of the coefficients
_BRIGHTEST = 0.99  # of a mean color to start from: tanh of a finite number
_SMALLEST_MEAN = 1e-3


class Model(NamedTuple):
    """Hold stored coefficients, and the logarithm of the quantization step of each layer."""

    network: Network
    log_steps: Float[Array, " layers"]


class State(NamedTuple):
    """Hold all that a step of the optimizer changes."""

    model: Model
    memory: optax.OptState


class Phase(NamedTuple):
    """Tell whether coefficients are rounded, 0 or 1, and what MSE a bit is worth."""

    rounded: ArrayLike
    price: ArrayLike


class Report(NamedTuple):
    """Tell the mean MSE of pixels in [0, 1] over some steps, and the last bits of the coefficients."""

    mse: Float[Array, ""]
    bits: Float[Array, ""]


def _matrices(model: Model) -> Model:
    """Tell Muon that coefficients map basis functions, the rows, to outputs; the rest is Adam's."""
    axes = optax.contrib.MuonDimensionNumbers
    return Model(Network(axes(1, 0), axes(2, 1), axes(1, 0)), None)  # type: ignore[arg-type]


def _stored(updates: Model, _: Model | None) -> Model:
    """Turn updates of the coefficients of eq. 4.5 into those of the stored ones."""
    return updates._replace(network=jax.tree.map(lambda u: u / _unit(u), updates.network))


MUON = optax.contrib.muon(1.0, adam_learning_rate=_STEP_RATE, muon_weight_dimension_numbers=_matrices)
ADAM = optax.chain(optax.adam(1.0), optax.stateless(_stored))


def start(
    seed: int, shape: Shape, mean: Float[np.ndarray, " c"], optimizer: optax.GradientTransformation
) -> State:
    """Draw a network around a `mean` color in [-1, 1]."""
    drawn = network.init(jax.random.key(seed), shape.width, shape.depth, shape.channels)
    constant = np.arctanh(np.clip(mean, -_BRIGHTEST, _BRIGHTEST)) / _unit(drawn.last)
    drawn = drawn._replace(last=drawn.last.at[0].set(constant))
    model = Model(drawn, jnp.full(len(shape.layers), math.log(_FIRST_STEP), jnp.float32))
    return State(model, optimizer.init(model))


def coarsened(state: State, octaves: float) -> State:
    """Multiply the quantization steps by 2^octaves."""
    log_steps = state.model.log_steps + octaves * np.log(2)
    return state._replace(model=state.model._replace(log_steps=log_steps))


def _loss(model: Model, x: Array, y: Array, phase: Phase) -> tuple[Array, Report]:
    """Give the MSE of pixels in [0, 1] plus the price of the bits of the coefficients."""
    rounded, bits = _rounded(model, phase.rounded)
    mse = jnp.mean((network.apply(rounded, x) - y) ** 2) / 4
    return mse + phase.price * bits, Report(mse, bits)


def _rounded(model: Model, share: ArrayLike) -> tuple[Network, Float[Array, ""]]:
    """Move coefficients by `share`, 0 or 1, of the way to multiples of their steps, and estimate their bits.

    Gradients pass as if they stayed. The bits are the entropy of the two-sided geometric distribution that
    has the mean magnitude of a layer.
    """
    held = _held(model)
    steps = Network(held[0], held[1:-1, None, None], held[-1])
    steps = jax.tree.map(lambda step: jnp.where(share == 1, step, jax.lax.stop_gradient(step)), steps)
    plain = jax.tree.map(jnp.divide, model.network, steps)
    q = jax.tree.map(lambda v: v + share * jax.lax.stop_gradient(jnp.round(v) - v), plain)
    stacks = q.first[None], q.hidden, q.last[None]
    bits = [math.prod(w.shape[1:]) * _entropy(jnp.mean(jnp.abs(w), axis=(1, 2))) for w in stacks]
    return jax.tree.map(jnp.multiply, q, steps), jnp.sum(jnp.concatenate(bits))


def _held(model: Model) -> Float[Array, " layers"]:
    """Give the quantization steps, in stored units, as a file can hold them."""
    units = _units(model) * 2**payload.BITS
    steps = jnp.exp(model.log_steps) * units
    eighth = 2.0 ** (jnp.floor(jnp.log2(steps)) - 3)
    held = jnp.maximum(jnp.round(steps / eighth) * eighth, payload.EXACT)
    steps += jax.lax.stop_gradient(held - steps)
    return jnp.divide(steps, units)


def _entropy(mean: Float[Array, " layers"]) -> Float[Array, " layers"]:
    mean = jnp.maximum(mean, _SMALLEST_MEAN)
    ratio = (jnp.sqrt(1 + mean**2) - 1) / mean
    return jnp.log2((1 + ratio) / (1 - ratio)) - mean * jnp.log2(ratio)


@functools.partial(jax.jit, static_argnames="optimizer", donate_argnames="state")
def steps(
    state: State,
    data: points.Points,
    order: Int[Array, "..."],
    rates: Float[Array, " steps"],
    phase: Phase,
    *,
    optimizer: optax.GradientTransformation,
) -> tuple[State, Report]:
    """Take a step for each of `order`, the points that it sees, and `rates`."""

    def step(state: State, now: tuple[Array, Array]) -> tuple[State, Report]:
        pick, rate = now
        gradient, report = jax.grad(_loss, has_aux=True)(state.model, data.x[pick], data.y[pick], phase)
        updates, memory = optimizer.update(gradient, state.memory, state.model)
        updates = jax.tree.map(lambda v: rate * v, updates)
        return State(optax.apply_updates(state.model, updates), memory), report

    state, reports = jax.lax.scan(step, state, (order, rates))
    return state, Report(jnp.mean(reports.mse), reports.bits[-1])


def plain(model: Model) -> tuple[list[Float[np.ndarray, "_f _n"]], list[float]]:
    """Give the coefficients of eq. 4.5 and the quantization steps, layer by layer."""
    first, hidden, last = (np.asarray(w, np.float64) * _unit(w) for w in model.network)
    return [first, *hidden, last], [float(v) for v in _held(model) * _units(model)]


def _units(model: Model) -> Float[Array, " layers"]:
    first, hidden, last = (_unit(w) for w in model.network)
    return jnp.array([first, *[hidden] * len(model.network.hidden), last])


def _unit(w: Float[Array, "*layers f n"]) -> float:
    """Give the unit in which the coefficients of a layer are stored."""
    return fourier.scale(w.shape[-2].bit_length() - 1)
