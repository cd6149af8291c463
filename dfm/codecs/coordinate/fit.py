"""Fit a coordinate network to an image: in floats, then rounded, with the rate in the loss."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, UInt8

from dfm.codecs.coordinate import model, points
from dfm.codecs.coordinate.shape import Shape

if TYPE_CHECKING:
    from dfm.codecs.coordinate import Config

_WARM = 0.02  # of the steps, in which the learning rate rises
_LAST = 50.0  # over the number of steps: of the learning rate, to which it falls geometrically
_DEEP = 7  # layers, from which on the learning rate falls with the square of their number, or fits collapse
_CHUNK = 50
_MORE = 0.5  # of the steps, at most, to get a target right
_BATCH = 1 << 10
_POINTS = 48  # of the image for each coefficient, at most
_LEAST_STEPS = 300
_EARLY = 0.25  # of the steps, after which a fit is better than the mean color, or has collapsed to it
_COLLAPSED = 0.98  # of the variance of the colors
_SMALL = 1e-4  # MSE that is no collapse
_LEAST_STEP = 2e6  # coefficients x points that a step counts as at least: tiny ones cost their overhead
_THESIS_BATCH = 64
_THESIS_STEPS = 100_000  # at most

Notify = Callable[[float, str], None]


class Fitted(NamedTuple):
    """Hold the coefficients of eq. 4.5 and the quantization steps that they were fitted for."""

    layers: list[Float[np.ndarray, "_f _n"]]
    steps: list[float]


class Report(NamedTuple):
    """Tell the MSE of pixels in [0, 1] over some steps, and the last bits of the coefficients."""

    mse: float
    bits: float


@runtime_checkable
class Aim(Protocol):
    """Steer a fit between rate and quality."""

    def first(self, fitted: Fitted) -> float:
        """Give the octaves by which to coarsen the steps before the first rounding."""

    def price(self, report: Report, lambda_: float) -> float:
        """Give the next lambda after the last one."""

    def met(self, fitted: Fitted) -> bool:
        """Tell whether the fit may end."""


def coded(
    image: UInt8[np.ndarray, "h w c"],
    shape: Shape,
    config: "Config",
    aim: Aim,
    lambda_: float,
    *,
    seed: int,
    notify: Notify,
    strict: bool,
) -> Fitted:
    """Minimize MSE, at last MSE + lambda * bits per pixel, and go on for a while until `aim` is met.

    Raises:
        FloatingPointError: the fit diverged or, where `strict`, collapsed to the mean color.
    """
    watch = _Watch(image, shape, notify, strict)
    data = points.lattices(image, _POINTS * shape.parameters, _BATCH, seed)
    count = round(config.work / max(data.x[0].size / 2 * shape.parameters, _LEAST_STEP) / _CHUNK)
    count = max(_LEAST_STEPS, count * _CHUNK)
    pixels, split = image.shape[0] * image.shape[1], round((1 - config.coded) * count / _CHUNK) * _CHUNK
    peak = config.learning_rate * min(1.0, _DEEP / shape.depth) ** 2
    state, random = (
        model.start(seed, shape, points.mean(image).ravel(), model.MUON),
        np.random.default_rng(seed),
    )
    for at in range(0, round((1 + _MORE) * count), _CHUNK):
        if at == split:
            state = model.coarsened(state, aim.first(_fitted(state)))
        if at >= count and aim.met(_fitted(state)):
            break
        state, report = model.steps(
            state,
            data,
            jnp.asarray(random.integers(len(data.x), size=_CHUNK)),
            jnp.asarray(peak * _schedule(np.arange(at, at + _CHUNK), count), jnp.float32),
            model.Phase(float(at >= split), lambda_ / pixels),
            optimizer=model.MUON,
        )
        report = Report(float(report.mse) + data.lost, float(report.bits))
        watch(report.mse, min(1.0, at / count))
        if at >= split:
            lambda_ = aim.price(report, lambda_)
    return _fitted(state)


def _fitted(state: model.State) -> Fitted:
    return Fitted(*model.plain(state.model))


def _schedule(step: Int[np.ndarray, " n"], count: int) -> Float[np.ndarray, " n"]:
    """Give the learning rates of some of `count` steps: the noise of a rate, not time, bounds the PSNR."""
    fraction = np.minimum(1, step / count)
    return np.asarray(np.minimum(1, fraction / _WARM) * (_LAST / count) ** fraction)


def as_thesis(
    image: UInt8[np.ndarray, "h w c"],
    shape: Shape,
    config: "Config",
    *,
    seed: int,
    notify: Notify,
    strict: bool,
) -> Fitted:
    """Minimize the MSE as the thesis does: Adam at one rate on plain coefficients, 64 random pixels a step.

    Raises:
        FloatingPointError: the fit diverged or, where `strict`, collapsed to the mean color.
    """
    watch = _Watch(image, shape, notify, strict)
    data = points.pixels(image)
    chunk = 20 * _CHUNK
    count = min(config.work / (_THESIS_BATCH * shape.parameters), _THESIS_STEPS)
    count = max(1, round(count / chunk)) * chunk
    random = np.random.default_rng(seed)
    rates = jnp.full(chunk, config.learning_rate)
    state = model.start(seed, shape, np.zeros(shape.channels), model.ADAM)
    for at in range(0, count, chunk):
        pick = jnp.asarray(random.integers(len(data.x), size=(chunk, _THESIS_BATCH)))
        state, report = model.steps(state, data, pick, rates, model.Phase(0.0, 0.0), optimizer=model.ADAM)
        watch(float(report.mse), at / count)
    return _fitted(state)


class _Watch:
    """Tell the user how a fit goes, and end one that fails."""

    def __init__(self, image: UInt8[np.ndarray, "h w c"], shape: Shape, notify: Notify, strict: bool) -> None:
        self._shape, self._notify = shape, notify
        self._most = _COLLAPSED * points.lost(image, points.mean(image)) if strict else np.inf

    def __call__(self, mse: float, fraction: float) -> None:
        if not np.isfinite(mse):
            raise FloatingPointError("the fit diverged")
        if fraction >= _EARLY and mse > max(self._most, _SMALL):
            raise FloatingPointError("the fit collapsed to the mean color")
        psnr = -10 * np.log10(max(mse, 1e-10))
        self._notify(fraction, f"{self._shape.depth} layers of {self._shape.width}, {psnr:.1f} dB")
