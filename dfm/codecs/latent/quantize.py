"""Turn what a fit gives into what a file holds: symbols, and changes of the weights where they pay."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dfm.codecs.latent import coefficients, fit, grids, model, weight_changes, weights
from dfm.codecs.latent.exact_context import LARGEST, Symbols
from dfm.codecs.latent.weight_changes import Changes

_COARSER = 1  # codes of steps: what is not rounded yet makes up for what is, so that it pays
_WIDER = range(-24, 25, 4)  # eighths of an octave around what is expected of coefficients


def symbols(latents: list[Array], finest: int, zone: float = 0.0) -> Symbols:
    """Round latents; those within 1/2 + `zone` of zero become zero, others come nearer to it by `zone`."""
    out = {}
    for grid, v in zip(grids.order(finest), latents, strict=True):
        magnitude = np.floor(np.maximum(np.abs(np.asarray(v, np.float64)) + 0.5 - zone, 0))
        out[grid] = np.clip(np.sign(v) * magnitude, -LARGEST, LARGEST).astype(np.int64)
    return out


def quantization_step(fitted: fit.Fitted, base: weights.Base, target: Float[Array, "3 h w"]) -> float:
    """Give the step by which a fit rounds changes of the weights.

    It is coarser than what would pay if all were rounded at once.
    """
    found = symbols(fitted.latents, base.finest)
    code = _paying(fitted.state.changes, base, target, found, fitted.lambda_)
    return weight_changes.step_of(min(code + _COARSER, weight_changes.STEPS - 1))


def changes(
    fitted: fit.Fitted, base: weights.Base, target: Float[Array, "3 h w"], found: Symbols
) -> Changes | None:
    """Give the changes of the weights, rounded where the fit has not, or None where they do not pay."""
    state, lambda_ = fitted.state, fitted.lambda_
    if np.isfinite(state.quantization_step):
        code = _nearest(float(state.quantization_step))
    else:
        code = _paying(state.changes, base, target, found, lambda_)
    trials = (None, _rounded(state.changes, base, code))
    return min(trials, key=lambda trial: _loss(trial, base, target, found, lambda_))


def likely_bytes(state: fit.State, base: weights.Base, target: Float[Array, "3 h w"]) -> float:
    """Guess the bytes that the changes of the weights will take."""
    chosen = float(state.quantization_step)
    code = _nearest(chosen if np.isfinite(chosen) else coefficients.step(target[0].size))
    return weight_changes.bits(base, _rounded(state.changes, base, code)) / 8


def measure(
    base: weights.Base, found: Changes | None, what: Symbols, target: Float[Array, "3 h w"]
) -> tuple[float, float]:
    """Estimate the bits of the grids, and the MSE of pixels in [0, 1]."""
    w = coefficients.floats(weight_changes.apply(base, found))
    q = [jnp.asarray(values, jnp.float32) for values in what.values()]
    return float(_bits(w, q, base.finest)), float(_mse(w, q, target, base.finest))


def _paying(
    moved: coefficients.Coefficients,
    base: weights.Base,
    target: Float[Array, "3 h w"],
    found: Symbols,
    lambda_: float,
) -> int:
    """Give the code of the step that pays most if all changes are rounded at once."""

    @functools.cache
    def loss(code: int) -> float:
        if not 0 <= code < weight_changes.STEPS:
            return np.inf
        return _loss(_rounded(moved, base, code), base, target, found, lambda_)

    code = _nearest(coefficients.step(target[0].size))
    for direction in (1, -1):
        while loss(code + direction) < loss(code):
            code += direction
    return code


def _loss(
    trial: Changes | None, base: weights.Base, target: Float[Array, "3 h w"], found: Symbols, lambda_: float
) -> float:
    """Give MSE + lambda * bits per pixel of a file."""
    bits, mse = measure(base, trial, found, target)
    return mse + lambda_ * (bits + weight_changes.bits(base, trial)) / target[0].size


def _nearest(step: float) -> int:
    """Give the code of the quantization step nearest to one."""
    steps = [weight_changes.step_of(code) for code in range(weight_changes.STEPS)]
    return int(np.argmin(np.abs(np.log(np.array(steps) / step))))


def _rounded(moved: coefficients.Coefficients, base: weights.Base, code: int) -> Changes:
    integers, most, step = {}, weight_changes.LARGEST, weight_changes.step_of(code)
    for group, c in moved.items():
        q = np.rint(np.asarray(c, np.float64) / step)
        integers[group] = np.clip(q, -most, most).astype(np.int64)
    expected = weight_changes.wider_of(step)
    near = np.clip(expected + np.array(_WIDER), -weight_changes.WIDEST, weight_changes.WIDEST)
    trials = (Changes(step=code, wider=int(wider), integers=integers) for wider in np.unique(near))
    return min(trials, key=functools.partial(weight_changes.bits, base))


@functools.partial(jax.jit, static_argnums=2)
def _bits(w: model.Weights, q: list[Array], finest: int) -> Array:
    return model.bits(w, q, finest)


@functools.partial(jax.jit, static_argnums=3)
def _mse(w: model.Weights, q: list[Array], target: Array, finest: int) -> Array:
    return jnp.mean((jnp.clip(model.image(w, q, finest, target.shape[1:]), 0, 1) - target) ** 2)
