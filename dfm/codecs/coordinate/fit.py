"""Fit a coordinate network to an image: in floats, then rounded, with the rate in the loss."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from dfm.codecs.coordinate import model, points
from dfm.codecs.coordinate.shape import Shape

if TYPE_CHECKING:
    from dfm.codecs.coordinate import Config

_FLOOR = 0.05  # of the learning rate, where its cosine ends
_CHUNK = 25
_MORE = 0.5  # of the steps, at most, to get a target right
_BATCH = 1 << 11
_POINTS = 48  # of the image for each coefficient, at most
_LEAST_STEPS = 300
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
) -> Fitted:
    """Minimize MSE, at last MSE + lambda * bits per pixel, and go on for a while until `aim` is met.

    Raises:
        FloatingPointError: the fit diverged.
    """
    data = points.lattices(image, _POINTS * shape.parameters, _BATCH, seed)
    count = round(config.work / max(data.x[0].size / 2 * shape.parameters, _LEAST_STEP) / _CHUNK)
    count = max(_LEAST_STEPS, count * _CHUNK)
    pixels, split = image.shape[0] * image.shape[1], round((1 - config.coded) * count / _CHUNK) * _CHUNK
    state, random = model.start(seed, shape, model.MUON), np.random.default_rng(seed)
    for at in range(0, round((1 + _MORE) * count), _CHUNK):
        if at == split:
            state = model.coarsened(state, aim.first(Fitted(*model.plain(state.model))))
        if at >= count and aim.met(Fitted(*model.plain(state.model))):
            break
        state, report = model.steps(
            state,
            data,
            jnp.asarray(random.integers(len(data.x), size=_CHUNK)),
            jnp.asarray(config.learning_rate * _cosine(np.arange(at, at + _CHUNK) / count), jnp.float32),
            jnp.float32(lambda_ / pixels),
            optimizer=model.MUON,
            loss=model.float_loss if at < split else model.coded_loss,
        )
        report = Report(float(report.mse) + data.lost, float(report.bits))
        _check(report, shape, min(1.0, at / count), notify)
        if at >= split:
            lambda_ = aim.price(report, lambda_)
    return Fitted(*model.plain(state.model))


def _cosine(fraction: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    cosine: Float[np.ndarray, " n"] = (
        _FLOOR + (1 - _FLOOR) * (1 + np.cos(np.pi * np.minimum(fraction, 1))) / 2
    )
    return cosine


def as_thesis(
    image: UInt8[np.ndarray, "h w c"], shape: Shape, config: "Config", *, seed: int, notify: Notify
) -> Fitted:
    """Minimize the MSE as the thesis does: Adam at one rate on plain coefficients, 64 random pixels a step.

    Raises:
        FloatingPointError: the fit diverged.
    """
    data = points.pixels(image)
    chunk = 20 * _CHUNK
    count = min(config.work / (_THESIS_BATCH * shape.parameters), _THESIS_STEPS)
    count = max(1, round(count / chunk)) * chunk
    random = np.random.default_rng(seed)
    rates = jnp.full(chunk, config.learning_rate)
    state = model.start(seed, shape, model.ADAM)
    for at in range(0, count, chunk):
        pick = jnp.asarray(random.integers(len(data.x), size=(chunk, _THESIS_BATCH)))
        state, report = model.steps(
            state, data, pick, rates, jnp.zeros(()), optimizer=model.ADAM, loss=model.float_loss
        )
        _check(Report(float(report.mse), 0.0), shape, at / count, notify)
    return Fitted(*model.plain(state.model))


def _check(report: Report, shape: Shape, fraction: float, notify: Notify) -> None:
    if not np.isfinite(report.mse):
        raise FloatingPointError("the fit diverged")
    psnr = -10 * np.log10(max(report.mse, 1e-10))
    notify(fraction, f"{shape.depth} layers of {shape.width}, {psnr:.1f} dB")
