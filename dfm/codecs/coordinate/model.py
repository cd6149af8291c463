"""Hold a coordinate network while it is fitted, and take steps of an optimizer."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from dfm import fourier, network
from dfm.codecs.coordinate import payload, points
from dfm.codecs.coordinate.shape import Shape

_FIRST_STEP = 0.08  # of quantization, in stored units
_STEP_RATE = 3.0  # of the logarithms of these steps, relative to that of the coefficients
_DECAY = 0.1
_SMALLEST_MEAN = 1e-3


class Model(NamedTuple):
    """Hold stored coefficients, and the logarithm of the quantization step of each layer."""

    coefficients: network.Coefficients
    log_steps: Float[Array, " layers"]


class State(NamedTuple):
    """Hold all that a step of the optimizer changes."""

    model: Model
    memory: optax.OptState


class Report(NamedTuple):
    """Tell the mean MSE of pixels in [0, 1] over some steps, and the last bits of the coefficients."""

    mse: Float[Array, ""]
    bits: Float[Array, ""]


def _matrices(model: Model) -> Model:
    """Tell Muon that coefficients map basis functions, the rows, to outputs; the rest is Adam's."""
    axes = optax.contrib.MuonDimensionNumbers(reduction_axis=1, output_axis=0)
    return Model([axes] * len(model.coefficients), None)  # type: ignore[arg-type]


def _stored(updates: Model, _: Model | None) -> Model:
    """Turn updates of the coefficients of eq. 4.5 into those of the stored ones."""
    return updates._replace(coefficients=[u / _unit(u) for u in updates.coefficients])


MUON = optax.contrib.muon(
    1.0, adam_learning_rate=_STEP_RATE, weight_decay=_DECAY, muon_weight_dimension_numbers=_matrices
)
ADAM = optax.chain(optax.adam(1.0), optax.stateless(_stored))


def start(seed: int, shape: Shape, optimizer: optax.GradientTransformation) -> State:
    """Draw a network."""
    coefficients = network.init(jax.random.key(seed), shape.widths)
    model = Model(coefficients, jnp.full(len(coefficients), jnp.log(_FIRST_STEP)))
    return State(model, optimizer.init(model))


def _mse(coefficients: network.Coefficients, x: Array, y: Array) -> Float[Array, ""]:
    return jnp.mean((network.apply(coefficients, x) - y) ** 2) / 4


def coarsened(state: State, octaves: float) -> State:
    """Multiply the quantization steps by 2^octaves."""
    log_steps = state.model.log_steps + octaves * np.log(2)
    return state._replace(model=state.model._replace(log_steps=log_steps))


def float_loss(model: Model, x: Array, y: Array, price: Array) -> tuple[Array, Report]:
    """Give the MSE of pixels in [0, 1]."""
    mse = _mse(model.coefficients, x, y)
    return mse, Report(mse, jnp.zeros(()))


def coded_loss(model: Model, x: Array, y: Array, price: Array) -> tuple[Array, Report]:
    """Give the MSE under rounded coefficients, and their bits at a `price`."""
    coefficients, bits = _rounded(model)
    mse = _mse(coefficients, x, y)
    return mse + price * bits, Report(mse, bits)


def _rounded(model: Model) -> tuple[network.Coefficients, Float[Array, ""]]:
    """Round coefficients to multiples of their steps, gradients passing through, and estimate the bits.

    The bits are the entropy of the two-sided geometric distribution that has the mean magnitude of a layer.
    """
    steps = _held(model)
    plain = [w / step for w, step in zip(model.coefficients, steps, strict=True)]
    q = [v + jax.lax.stop_gradient(jnp.round(v) - v) for v in plain]
    bits = sum(v.size * _entropy(jnp.mean(jnp.abs(v))) for v in q)
    return [v * step for v, step in zip(q, steps, strict=True)], bits


def _held(model: Model) -> Float[Array, " layers"]:
    """Give the quantization steps, in stored units, as a file can hold them."""
    units = jnp.array([_unit(w) * 2**payload.BITS for w in model.coefficients])
    steps = jnp.exp(model.log_steps) * units
    eighth = 2.0 ** (jnp.floor(jnp.log2(steps)) - 3)
    held = jnp.maximum(jnp.round(steps / eighth) * eighth, payload.EXACT)
    return (steps + jax.lax.stop_gradient(held - steps)) / units


def _entropy(mean: Float[Array, ""]) -> Float[Array, ""]:
    mean = jnp.maximum(mean, _SMALLEST_MEAN)
    ratio = (jnp.sqrt(1 + mean**2) - 1) / mean
    return jnp.log2((1 + ratio) / (1 - ratio)) - mean * jnp.log2(ratio)


@functools.partial(jax.jit, static_argnames=("optimizer", "loss"), donate_argnames="state")
def steps(
    state: State,
    data: points.Points,
    order: Int[Array, "..."],
    rates: Float[Array, " steps"],
    price: Float[Array, ""],
    *,
    optimizer: optax.GradientTransformation,
    loss: Callable[..., tuple[Array, Report]],
) -> tuple[State, Report]:
    """Take a step for each of `order`, the points that it sees, and `rates`."""

    def step(state: State, now: tuple[Array, Array]) -> tuple[State, Report]:
        pick, rate = now
        gradient, report = jax.grad(loss, has_aux=True)(state.model, data.x[pick], data.y[pick], price)
        updates, memory = optimizer.update(gradient, state.memory, state.model)
        updates = jax.tree.map(lambda v: rate * v, updates)
        return State(optax.apply_updates(state.model, updates), memory), report

    state, reports = jax.lax.scan(step, state, (order, rates))
    return state, Report(jnp.mean(reports.mse), reports.bits[-1])


def plain(model: Model) -> tuple[list[Float[np.ndarray, "_f _n"]], list[float]]:
    """Give the coefficients of eq. 4.5 and the quantization steps."""
    units = [_unit(w) for w in model.coefficients]
    layers = [np.asarray(w, np.float64) * unit for w, unit in zip(model.coefficients, units, strict=True)]
    return layers, [float(v) * unit for v, unit in zip(_held(model), units, strict=True)]


def _unit(w: Float[Array, "f n"]) -> float:
    """Give the unit in which the coefficients of a layer are stored."""
    return fourier.scale(len(w).bit_length() - 1)
