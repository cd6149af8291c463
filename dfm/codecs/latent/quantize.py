"""Round latents, and changes of weights as coarsely as pays by MSE + lambda * bits per pixel."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from dfm.codecs.latent import coefficients, fit, grids, model, weight_changes, weights
from dfm.codecs.latent.exact_context import LARGEST, Symbols
from dfm.codecs.latent.weight_changes import Changes
from dfm.container import FormatError

if TYPE_CHECKING:
    from dfm.codecs.latent import Config

_WIDER = range(-24, 25, 4)  # eighths of an octave around what is expected of coefficients
_TUNING_STEPS = 0.1, 50  # part of those of a fit, and most
_TUNING_RATE = 1 / 30  # of the rate of weights in a fit

_Priced = tuple[float, Changes | None]  # changes, and their MSE + lambda * bits per pixel


def symbols(latents: list[Array], finest: int, zone: float = 0.0) -> Symbols:
    """Round latents; those within 1/2 + `zone` of zero become zero, others come nearer to it by `zone`."""
    out = {}
    for grid, v in zip(grids.order(finest), latents, strict=True):
        magnitude = np.floor(np.maximum(np.abs(np.asarray(v, np.float64)) + 0.5 - zone, 0))
        out[grid] = np.clip(np.sign(v) * magnitude, -LARGEST, LARGEST).astype(np.int64)
    return out


def changes(
    fitted: fit.Fitted, base: weights.Base, target: Float[Array, "3 h w"], found: Symbols, config: "Config"
) -> Changes | None:
    """Round the changes of the weights by the step that pays most, or leave them out.

    They are fitted once more, as rounded, to latents that are rounded for good; gradients pass the rounding
    straight through (Bengio et al., 2013). As they make up for it, a coarser step pays than without.
    """
    price = fitted.lambda_ / target[0].size

    def priced(trial: Changes | None) -> _Priced:
        try:
            bits, mse = measure(base, trial, found, target)
        except FormatError:
            return np.inf, None
        return mse + (bits + weight_changes.bits(base, trial)) * price, trial

    moved, code = fitted.state.changes, _code(target)
    best = min(_cheapest(priced, moved, base, code), priced(None), key=_loss)
    part, most = _TUNING_STEPS
    count = min(int(part * fit.steps(config, base)), most)
    if not count:
        return best[1]
    code = min((best[1].step if best[1] else code) + 1, weight_changes.STEPS - 1)
    rates = config.weight_rate * _TUNING_RATE * fit.cosine(jnp.arange(count) / count)
    tuned = _tuned(
        moved,
        coefficients.networks(base),
        floats(found),
        target,
        rates,
        weight_changes.step_of(code),
        fitted.lambda_,
        finest=base.finest,
    )
    return min(best, _cheapest(priced, tuned, base, code), key=_loss)[1]


def likely_bytes(state: fit.State, base: weights.Base, target: Float[Array, "3 h w"]) -> float:
    """Guess the bytes that the changes of the weights will take."""
    return weight_changes.bits(base, _rounded(state.changes, base, _code(target))) / 8


def floats(symbols: Symbols) -> list[Float[Array, "_h _w"]]:
    """Give symbols as the model takes them."""
    return [jnp.asarray(values, jnp.float32) for values in symbols.values()]


def measure(
    base: weights.Base, found: Changes | None, what: Symbols, target: Float[Array, "3 h w"]
) -> tuple[float, float]:
    """Estimate the bits of the grids, and the MSE of pixels in [0, 1]."""
    w, q = coefficients.floats(weight_changes.apply(base, found)), floats(what)
    return float(_bits(w, q, base.finest)), float(_mse(w, q, target, base.finest))


def _code(target: Float[Array, "3 h w"]) -> int:
    """Give the code of the step that pays in theory."""
    steps = [weight_changes.step_of(code) for code in range(weight_changes.STEPS)]
    return int(np.argmin(np.abs(np.log(np.array(steps) / coefficients.step(target[0].size)))))


def _cheapest(
    priced: Callable[[Changes], _Priced], moved: coefficients.Coefficients, base: weights.Base, code: int
) -> _Priced:
    """Round by the step near that of `code` that pays most."""

    @functools.cache
    def tried(code: int) -> _Priced:
        if 0 <= code < weight_changes.STEPS:
            return priced(_rounded(moved, base, code))
        return np.inf, None

    for direction in (1, -1):
        while _loss(tried(code + direction)) < _loss(tried(code)):
            code += direction
    return tried(code)


def _loss(trial: _Priced) -> float:
    return trial[0]


def _rounded(moved: coefficients.Coefficients, base: weights.Base, code: int) -> Changes:
    integers, most, step = {}, weight_changes.LARGEST, weight_changes.step_of(code)
    for group, c in moved.items():
        q = np.rint(np.asarray(c, np.float64) / step)
        integers[group] = np.clip(q, -most, most).astype(np.int64)
    expected = weight_changes.wider_of(step)
    trials = (Changes(step=code, wider=expected + more, integers=integers) for more in _WIDER)
    return min(trials, key=functools.partial(weight_changes.bits, base))


@functools.partial(jax.jit, static_argnames="finest")
def _tuned(
    changes: coefficients.Coefficients,
    base: coefficients.Networks,
    q: list[Array],
    target: Array,
    rates: Array,
    unit: Array | float,
    lambda_: Array | float,
    *,
    finest: int,
) -> coefficients.Coefficients:
    """Make a step of Adam at each of the rates."""

    def loss(changes: coefficients.Coefficients) -> Array:
        exact = {
            group: c + jax.lax.stop_gradient(unit * jnp.round(c / unit) - c) for group, c in changes.items()
        }
        bits = coefficients.bits(base, exact, target[0].size)
        return model.loss(coefficients.changed(base, exact, finest), q, bits, target, lambda_, finest)[0]

    def step(
        state: tuple[coefficients.Coefficients, optax.OptState], rate: Array
    ) -> tuple[tuple[coefficients.Coefficients, optax.OptState], None]:
        changes, moments = state
        turn, moments = fit.COEFFICIENTS.update(jax.grad(loss)(changes), moments)
        return (fit.moved(changes, base, turn, rate), moments), None

    return jax.lax.scan(step, (changes, fit.COEFFICIENTS.init(changes)), rates)[0][0]


@functools.partial(jax.jit, static_argnums=2)
def _bits(w: model.Weights, q: list[Array], finest: int) -> Array:
    return model.bits(w, q, finest)


@functools.partial(jax.jit, static_argnums=3)
def _mse(w: model.Weights, q: list[Array], target: Array, finest: int) -> Array:
    return jnp.mean((jnp.clip(model.image(w, q, finest, target.shape[1:]), 0, 1) - target) ** 2)
