"""Round latents, and changes of weights as coarsely as pays by MSE + lambda * bits per pixel."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dfm.codecs.latent import coefficients, fit, grids, model, weight_changes, weights
from dfm.codecs.latent.exact_context import LARGEST, Symbols
from dfm.codecs.latent.weight_changes import Changes
from dfm.container import FormatError

_WIDER = range(-24, 25, 4)  # eighths of an octave around what is expected of coefficients


def symbols(latents: list[Array], finest: int, zone: float = 0.0) -> Symbols:
    """Round latents; those within 1/2 + `zone` of zero become zero, others come nearer to it by `zone`."""
    out = {}
    for grid, v in zip(grids.order(finest), latents, strict=True):
        magnitude = np.floor(np.maximum(np.abs(np.asarray(v, np.float64)) + 0.5 - zone, 0))
        out[grid] = np.clip(np.sign(v) * magnitude, -LARGEST, LARGEST).astype(np.int64)
    return out


def changes(
    fitted: fit.Fitted, base: weights.Base, target: Float[Array, "3 h w"], found: Symbols
) -> Changes | None:
    """Round the changes of the weights by the step that pays most, or leave them out."""
    price = fitted.lambda_ / target[0].size

    @functools.cache
    def tried(code: int) -> tuple[float, Changes | None]:
        trial = _rounded(fitted.state, base, code) if 0 <= code < weight_changes.STEPS else None
        try:
            bits, mse = measure(base, trial, found, target)
        except FormatError:
            return np.inf, None
        return mse + (bits + weight_changes.bits(base, trial)) * price, trial

    best = _code(target)
    for direction in (1, -1):
        while tried(best + direction)[0] < tried(best)[0]:
            best += direction
    return min(tried(best), tried(-1), key=lambda trial: trial[0])[1]


def likely_bytes(state: fit.State, base: weights.Base, target: Float[Array, "3 h w"]) -> float:
    """Guess the bytes that the changes of the weights will take."""
    return weight_changes.bits(base, _rounded(state, base, _code(target))) / 8


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


def _rounded(state: fit.State, base: weights.Base, code: int) -> Changes:
    integers, most, step = {}, weight_changes.LARGEST, weight_changes.step_of(code)
    for group, c in state.changes.items():
        q = np.rint(np.asarray(c, np.float64) / step)
        integers[group] = np.clip(q, -most, most).astype(np.int64)
    expected = weight_changes.wider_of(step)
    trials = (Changes(step=code, wider=expected + more, integers=integers) for more in _WIDER)
    return min(trials, key=functools.partial(weight_changes.bits, base))


@functools.partial(jax.jit, static_argnums=2)
def _bits(w: model.Weights, q: list[Array], finest: int) -> Array:
    return model.bits(w, q, finest)


@functools.partial(jax.jit, static_argnums=3)
def _mse(w: model.Weights, q: list[Array], target: Array, finest: int) -> Array:
    return jnp.mean((jnp.clip(model.image(w, q, finest, target.shape[1:]), 0, 1) - target) ** 2)
