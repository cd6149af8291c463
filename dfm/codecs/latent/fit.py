"""Fit latents and changes of the weights to an image, with the rate of both in the loss."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from dfm.codecs.latent import analysis, coefficients, model, rounding, weights
from dfm.codecs.latent.coefficients import Coefficients, Networks

if TYPE_CHECKING:
    from dfm.codecs.latent import Config

_AGAIN = 4  # part of the steps, the last, that are made again
_CHUNK = 25  # steps between looks at the rate
UNIT = 16.0  # symbols in a unit of a latent, as Adam sees it
_STEERED = 0.3  # part of the steps after which lambda is steered: the rate falls by itself before
_ROUNDED = _STEERED, 0.8  # parts of a fit, between which changes are rounded in turns (Zhou et al., 2017)
_FEWEST = 100  # steps of a fit in which what is not rounded yet can make up for what is
_LEAST_RATE = 1e-3  # of a learning rate, at the end of its cosine

Notify = Callable[[float, str], None]
Steer = Callable[["State", "Report", float], float]
Quantization = Callable[["Fitted"], float]


class Report(NamedTuple):
    """Tell the MSE of pixels in [0, 1], and the bits of latents and of changes, for rounded latents."""

    mse: float
    bits: float
    weight_bits: float


class State(NamedTuple):
    """Hold changes of weights, latents in units of 16 symbols, and the optimizers' moments.

    Changes are rounded, in turns, by `quantization_step`; not yet where it is infinite.
    """

    changes: Coefficients
    latents: list[Array]
    weight_moments: optax.OptState
    latent_moments: optax.OptState
    quantization_step: Array


class Fitted(NamedTuple):
    """Hold what a fit gives, and the lambda that it came to."""

    state: State
    lambda_: float

    @property
    def latents(self) -> list[Array]:
        """Give the latents in units of a symbol."""
        return [UNIT * v for v in self.state.latents]


class _Setting(NamedTuple):
    """Hold what changes from step to step."""

    key: Array
    done: Array
    latent_rate: Array
    weight_rate: Array


_COEFFICIENTS = optax.scale_by_adam(b1=0.9, b2=0.95)
LATENTS = optax.scale_by_adam(b1=0.5, b2=0.99)  # with a longer memory, short fits end 1 to 2 % worse


def start(base: weights.Base, target: Float[Array, "3 h w"]) -> State:
    """Start from some base networks, and what their analysis network guesses for pixels in [0, 1]."""
    changes = {group: jnp.zeros(along.spread.shape) for group, along in base.directions.items()}
    latents = [v / UNIT for v in guess(base, target)]
    return State(changes, latents, _COEFFICIENTS.init(changes), LATENTS.init(latents), jnp.float32(np.inf))


def soft(
    state: State,
    target: Float[Array, "3 h w"],
    base: weights.Base,
    config: "Config",
    steer: Steer,
    lambda_: float,
    *,
    again: bool = False,
    quantization: Quantization | None = None,
    seed: int,
    notify: Notify,
) -> Fitted:
    """Minimize MSE + lambda * bits per pixel by soft rounding of latents.

    Args:
        steer: gives the next lambda after a state, a report on it, and the last lambda.
        again: go on with a fit that has ended, for fewer steps.
        quantization: gives the quantization step of changes of the weights, from the fit so far; without it,
            or in a short fit, they are not rounded.

    Raises:
        FloatingPointError: the fit diverged.
    """
    unchanged = coefficients.networks(base)
    count = -(-_length(config, base) // (_CHUNK * (_AGAIN if again else 1))) * _CHUNK
    keys = jax.random.split(jax.random.key(seed), count)
    for at in range(0, count, _CHUNK):
        done = 1 - (1 - np.arange(at, at + _CHUNK) / count) / (_AGAIN if again else 1)
        setting = _settings(done, config, keys[at : at + _CHUNK])
        due = count >= _FEWEST and done[-1] >= _ROUNDED[0]
        if quantization and due and np.isinf(state.quantization_step):
            state = state._replace(quantization_step=jnp.float32(quantization(Fitted(state, lambda_))))
        prices = jnp.array([lambda_, config.price], jnp.float32)
        state = _steps(state, unchanged, target, setting, prices, finest=base.finest)
        report = _told(_rounded(state, unchanged, target, finest=base.finest), (at + _CHUNK) / count, notify)
        if done[-1] >= _STEERED:
            lambda_ = steer(state, report, lambda_)
    return Fitted(state, lambda_)


def _length(config: "Config", base: weights.Base) -> int:
    """Count the steps of a fit: those without octave 0 take half the time."""
    return config.steps * (1 + base.finest)


def guess(base: weights.Base, target: Float[Array, "3 h w"]) -> list[Float[Array, "_h _w"]]:
    """Give the latents that the analysis network of some base networks guesses, in units of a symbol."""
    return list(_guessed(analysis.floats(base.analysis), target, base.finest))


_guessed = jax.jit(analysis.latents, static_argnames="finest")


def _told(parts: Array, fraction: float, notify: Notify) -> Report:
    report = Report(*map(float, parts))
    if not np.isfinite(report.mse):
        raise FloatingPointError("the fit diverged")
    notify(
        fraction, f"{-10 * np.log10(report.mse):.1f} dB, {(report.bits + report.weight_bits) / 8:.0f} bytes"
    )
    return report


def _settings(done: np.ndarray, config: "Config", keys: Array) -> _Setting:
    part = jnp.asarray(done, jnp.float32)
    return _Setting(keys, part, config.latent_rate * cosine(part), config.weight_rate * cosine(part))


def cosine(done: Array) -> Array:
    """Give the part of a learning rate that is left when part of a fit is done."""
    return _LEAST_RATE + (1 - _LEAST_RATE) * (1 + jnp.cos(jnp.pi * done)) / 2


@functools.partial(jax.jit, static_argnames="finest", donate_argnums=0)
def _steps(
    state: State, base: Networks, target: Array, settings: _Setting, prices: Float[Array, "2"], *, finest: int
) -> State:
    """Make a step for each of the settings, at the prices of bits, and of those of changes beside others."""
    first, last = _ROUNDED
    lambda_, price = prices
    turns = jax.tree.map(lambda part: first + (last - first) * part, coefficients.turns(base))

    def loss(changes: Coefficients, latents: list[Array], now: _Setting) -> Array:
        q = rounding.disturbed(now.key, [UNIT * v for v in latents], now.done)
        bits = price * coefficients.bits(base, changes, target[0].size)
        return model.loss(coefficients.changed(base, changes, finest), q, bits, target, lambda_, finest)[0]

    def step(state: State, now: _Setting) -> tuple[State, None]:
        gradient = jax.grad(loss, argnums=(0, 1))(state.changes, state.latents, now)
        turn, weight_moments = _COEFFICIENTS.update(gradient[0], state.weight_moments)
        move, latent_moments = LATENTS.update(gradient[1], state.latent_moments)
        unit, due = state.quantization_step, jnp.isfinite(state.quantization_step)
        changes = {
            group: jnp.where(
                due & (now.done >= turns[group]),
                unit * jnp.round(c / unit),
                c - now.weight_rate * jnp.sqrt(base.directions[group].spread) * turn[group],
            )
            for group, c in state.changes.items()
        }
        latents = jax.tree.map(lambda v, d: v - now.latent_rate * d, state.latents, move)
        return State(changes, latents, weight_moments, latent_moments, unit), None

    return jax.lax.scan(step, state, settings)[0]


@functools.partial(jax.jit, static_argnames="finest")
def _rounded(state: State, base: Networks, target: Array, *, finest: int) -> Array:
    q = [jnp.round(UNIT * v) for v in state.latents]
    w = coefficients.changed(base, state.changes, finest)
    return model.loss(w, q, coefficients.bits(base, state.changes, target[0].size), target, 0.0, finest)[1]
