"""Round changes of weights as coarsely as pays, judged by MSE + lambda * bits per pixel."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dfm.codecs.latent import fit, grids, model, payload, weights
from dfm.codecs.latent.exact_context import LARGEST, Symbols

_OF_RATE = "context.", "features."  # weights that no pixel depends on
_OF_PIXELS = "upsampling", "sharpening", "synthesis."
_FIRST_STEP = 3
_LIKELY = 7

Cost = Callable[[payload.Changes], float]


def symbols(latents: list[Array], finest: int, zone: float = 0.0) -> Symbols:
    """Round latents; those within 1/2 + `zone` of zero become zero, others come nearer to it by `zone`."""
    out = {}
    for grid, v in zip(grids.order(finest), latents, strict=True):
        magnitude = np.floor(np.maximum(np.abs(np.asarray(v, np.float64)) + 0.5 - zone, 0))
        out[grid] = np.clip(np.sign(v) * magnitude, -LARGEST, LARGEST).astype(np.int64)
    return out


def changes(
    fitted: fit.Fitted, base: weights.Base, target: Float[Array, "3 h w"], found: Symbols
) -> payload.Changes:
    """Round the changes of those weights that pay."""
    price = fitted.lambda_ / (target.shape[1] * target.shape[2])
    q, real = floats(found), fitted.state.changes

    def of_rate(trial: payload.Changes) -> float:
        bits = float(_bits(fit.floats(payload.apply(base, trial)), q, base.finest))
        return (bits + 8 * payload.bytes_of_changes(base, trial)) * price

    def of_pixels(trial: payload.Changes) -> float:
        mse = float(_mse(fit.floats(payload.apply(base, trial)), q, target, base.finest))
        return mse + 8 * payload.bytes_of_changes(base, trial) * price

    out: payload.Changes = {}
    for prefixes, cost in ((_OF_RATE, of_rate), (_OF_PIXELS, of_pixels)):
        names = [name for name in real if name.startswith(prefixes)]
        out |= _pruned(_stepped(real, names, base, cost), real, base, cost)
    return out


def likely_bytes(state: fit.State, base: weights.Base) -> int:
    """Guess the bytes that the changes of the weights will take, from one step for all."""
    return payload.bytes_of_changes(base, _round(state.changes, list(state.changes), base, _LIKELY))


def floats(symbols: Symbols) -> list[Float[Array, "_h _w"]]:
    """Give symbols as the model takes them."""
    return [jnp.asarray(values, jnp.float32) for values in symbols.values()]


def measure(
    base: weights.Base, found: payload.Changes, what: Symbols, target: Float[Array, "3 h w"]
) -> tuple[float, float]:
    """Estimate the bits of the grids, and the MSE of pixels in [0, 1]."""
    w, q = fit.floats(payload.apply(base, found)), floats(what)
    return float(_bits(w, q, base.finest)), float(_mse(w, q, target, base.finest))


def _stepped(real: model.Weights, names: list[str], base: weights.Base, cost: Cost) -> payload.Changes:
    """Find the step, one for all names, of the least cost."""
    costs: dict[int, float] = {}

    def at(step: int) -> float:
        if step not in costs:
            costs[step] = cost(_round(real, names, base, step))
        return costs[step]

    best = _FIRST_STEP
    for direction in (1, -1):
        while 0 <= best + direction < payload.STEPS and at(best + direction) < at(best):
            best += direction
    return _round(real, names, base, best)


def _pruned(chosen: payload.Changes, real: model.Weights, base: weights.Base, cost: Cost) -> payload.Changes:
    """Drop the changes of each weight, or round them coarser or finer, where that pays."""
    least = cost(chosen)
    for name, change in list(chosen.items()):
        for code in (None, change.step + 1, change.step + 2, change.step - 1):
            if code is not None and not 0 <= code < payload.STEPS:
                continue
            rest = {n: c for n, c in chosen.items() if n != name}
            trial = rest if code is None else rest | _round(real, [name], base, code)
            if (now := cost(trial)) <= least:
                chosen, least = trial, now
                if code is None:
                    break
    return chosen


def _round(real: model.Weights, names: list[str], base: weights.Base, step: int) -> payload.Changes:
    out = {}
    for name in names:
        limit = (weights.LARGEST - np.abs(base.weights[name])) >> step
        integers = np.rint(np.asarray(real[name], np.float64) * 2.0 ** (weights.BITS - step))
        if integers.any():
            kept = np.clip(integers, -limit, limit).astype(np.int64)
            out[name] = payload.Change(step=step, integers=kept)
    return out


@functools.partial(jax.jit, static_argnums=2)
def _bits(w: model.Weights, q: list[Array], finest: int) -> Array:
    return jnp.sum(model.bits(w, q, finest))


@functools.partial(jax.jit, static_argnums=3)
def _mse(w: model.Weights, q: list[Array], target: Array, finest: int) -> Array:
    return jnp.mean((jnp.clip(model.image(w, q, finest, target.shape[1:]), 0, 1) - target) ** 2)
