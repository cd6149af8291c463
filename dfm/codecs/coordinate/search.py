"""Meet a target of rate or quality: choose the network, fit it, and choose how finely it is rounded."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import UInt8

from dfm import exact, metrics, rate
from dfm.codecs.coordinate import fit, payload, points
from dfm.codecs.coordinate.shape import Shape, choose, largest

if TYPE_CHECKING:
    from dfm.codecs.coordinate import Config

_BITS = 7.0  # of a coefficient: at this rate more of them and finer ones help alike
_PER_BOX = 1.0  # coefficients that fit as well as one average over a box
_FIRST_LAMBDA = 1e-2
_FILL = 0.97, 0.985, 1.0  # of the bytes, at least, in the fit, at most
_ABOVE = 0.0, 0.12, 0.3  # dB above the PSNR, at least, in the fit, at most
_GROWTH = 1.7
_TRIES = 3

Pack = Callable[[float], bytes]


class _Job(NamedTuple):
    """Hold what every fit of an image shares."""

    image: UInt8[np.ndarray, "h w c"]
    config: "Config"
    seed: int
    notify: fit.Notify

    def psnr(self, data: bytes) -> float:
        """Measure the PSNR in dB of a payload as the decoder sees it."""
        height, width, channels = self.image.shape
        _, layers, _ = payload.unpack(data, channels)
        decoded = exact.image(layers, exact.positions(width), exact.positions(height), bits=payload.BITS)
        return metrics.psnr(self.image, decoded)

    def guarded(self, run: Callable[..., fit.Fitted]) -> fit.Fitted:
        """Fit again from another start, and slower, where a fit diverges."""
        config = self.config
        for seed in range(self.seed, self.seed + _TRIES):
            try:
                return run(config=config, seed=seed, notify=self.notify)
            except FloatingPointError:
                config = config.slower()
        raise ValueError(f"{_TRIES} fits of the image diverged; choose another seed")

    def packer(self, shape: Shape, aim: fit.Aim, lambda_: float) -> Pack:
        """Fit a network, and return what packs it, all its quantization steps times 2^octaves."""
        run = functools.partial(fit.coded, self.image, shape, aim=aim, lambda_=lambda_)
        return functools.partial(_pack, shape, self.guarded(run))


def _pack(shape: Shape, fitted: fit.Fitted, octaves: float) -> bytes:
    steps = [2**octaves * step for step in fitted.steps]
    return payload.pack(shape, payload.quantize(fitted.layers, steps))


@dataclass
class _Within:
    """Aim at a number of bytes."""

    shape: Shape
    budget: int

    def first(self, fitted: fit.Fitted) -> float:
        return _filling(functools.partial(_pack, self.shape, fitted), _FILL[1] * self.budget)

    def price(self, report: fit.Report, lambda_: float) -> float:
        return lambda_ * _adapted(report.bits / 8 / (_FILL[1] * self.budget))

    def met(self, fitted: fit.Fitted) -> bool:
        return _FILL[0] * self.budget <= len(_pack(self.shape, fitted, 0)) <= self.budget


@dataclass
class _Reach:
    """Aim at a PSNR in dB."""

    shape: Shape
    job: _Job
    least: float

    def first(self, fitted: fit.Fitted) -> float:
        return 0.0

    def price(self, report: fit.Report, lambda_: float) -> float:
        return lambda_ / _adapted((report.mse * 10 ** ((self.least + _ABOVE[1]) / 10)) ** 4)

    def met(self, fitted: fit.Fitted) -> bool:
        above = self.job.psnr(_pack(self.shape, fitted, 0)) - self.least
        return _ABOVE[0] <= above <= _ABOVE[2]


class _Trade:
    """Keep lambda."""

    def first(self, fitted: fit.Fitted) -> float:
        return 0.0

    def price(self, report: fit.Report, lambda_: float) -> float:
        return lambda_

    def met(self, fitted: fit.Fitted) -> bool:
        return True


def _adapted(ratio: float) -> float:
    """Give the factor on lambda where the rate is `ratio` times the wanted one."""
    return float(np.clip(ratio, 0.5, 2) ** 2)


def encode(
    image: UInt8[np.ndarray, "h w c"],
    config: "Config",
    target: rate.Target,
    *,
    seed: int,
    progress: fit.Notify,
) -> bytes:
    """Fit a network to `image` that meets `target`, and give its payload.

    Raises:
        ValueError: no network of this codec meets it.
    """
    job = _Job(image, config, seed, progress)
    if config.thesis:
        return _thesis(job, target)
    if target.max_bytes is not None:
        return _within(job, target.max_bytes)
    if target.min_psnr is not None:
        return _reach(job, target.min_psnr)
    assert target.lambda_ is not None
    return _trade(job, target.lambda_)


def _within(job: _Job, budget: int) -> bytes:
    """Fill at most `budget` bytes."""
    channels = job.image.shape[2]
    least = len(_blank(choose(1.0, channels)))
    if budget < least:
        raise ValueError(
            f"{budget} bytes are left for a network that needs {least}; allow {least - budget} more"
        )
    budget = min(budget, job.image.size)
    shape = choose(max(1.0, 8 * (budget - least) / _BITS), channels)
    pack = job.packer(shape, _Within(shape, budget), _FIRST_LAMBDA)
    if _FILL[0] * budget <= len(pack(0)) <= budget:
        return pack(0)
    around = _filling(pack, budget) + np.arange(-8, 9) / 64
    return max((data for data in map(pack, around) if len(data) <= budget), key=len)


def _filling(pack: Pack, budget: float) -> float:
    """Find the octaves by which to coarsen the steps for at most `budget` bytes."""
    low, high = -24.0, 24.0
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if len(pack(middle)) <= budget else (middle, high)
    return high


def _reach(job: _Job, least: float) -> bytes:
    """Reach a PSNR of `least` dB with few bytes."""
    channels = job.image.shape[2]
    best, shape = -np.inf, choose(min(n for n, mse in _sketch(job) if mse <= 10 ** (-least / 10)), channels)
    while True:
        pack = job.packer(shape, _Reach(shape, job, least), _FIRST_LAMBDA)
        if _ABOVE[0] <= job.psnr(pack(0)) - least <= _ABOVE[2]:
            return pack(0)
        best = max(best, job.psnr(pack(-4)))
        if best >= least:
            return _coarsest(job, pack, least)
        larger = choose(_GROWTH * shape.parameters, channels)
        if larger.parameters <= shape.parameters or shape.parameters > job.image.size:
            raise ValueError(
                f"{least} dB are out of reach of this preset; ask for at most {best - 0.05:.1f} dB"
            )
        shape = larger


def _coarsest(job: _Job, pack: Pack, least: float) -> bytes:
    """Choose the coarsest quantization steps under which the PSNR is still `least` dB."""
    low, high, data = -4.0, 4.0, pack(-4)
    for _ in range(10):
        middle = (low + high) / 2
        trial = pack(middle)
        if job.psnr(trial) >= least:
            low, data = middle, trial
        else:
            high = middle
    return data


def _trade(job: _Job, lambda_: float) -> bytes:
    """Minimize MSE + lambda_ * bits per pixel."""
    height, width, channels = job.image.shape
    price = lambda_ / (height * width)
    parameters, _ = min(_sketch(job), key=lambda point: point[1] + price * _BITS * point[0])
    pack = job.packer(choose(parameters, channels), _Trade(), lambda_)
    return pack(0)


def _thesis(job: _Job, target: rate.Target) -> bytes:
    """Fit the largest network that fits the bytes, as the thesis does, and keep it in float32."""
    if target.max_bytes is None:
        raise ValueError("the preset thesis needs a number of bytes; give max_bytes or max_bpp")
    shape = largest(target.max_bytes // 4, job.image.shape[2])
    if shape is None:
        raise ValueError(f"{target.max_bytes} bytes hold no network in float32; allow more")
    fitted = job.guarded(functools.partial(fit.as_thesis, job.image, shape))
    return payload.pack_float32(shape, fitted.layers)


def _sketch(job: _Job) -> list[tuple[float, float]]:
    """Guess the MSE of networks by that of averages over boxes: pairs of coefficients and MSE."""
    longest = max(job.image.shape[:2])
    sides = {max(1, round(longest * 2 ** (-octave / 4))) for octave in range(1, 4 * longest.bit_length() + 1)}
    grids = [points.averages(job.image, side)[1] for side in sides]
    return [(_PER_BOX * colors.size, points.lost(job.image, colors)) for colors in grids]


def _blank(shape: Shape) -> bytes:
    zeros = [np.zeros(layer) for layer in shape.layers]
    return payload.pack(shape, payload.quantize(zeros, [1.0] * len(zeros)))
