"""Meet a target of rate or quality: choose the network, fit it, and choose how finely it is rounded."""

import functools
import itertools
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from dfm import rate
from dfm.codecs.coordinate import aims, fit, payload, points
from dfm.codecs.coordinate.job import Job, Pack
from dfm.codecs.coordinate.shape import Shape, choose, largest

if TYPE_CHECKING:
    from dfm.codecs.coordinate import Config

_BITS = 7.0  # of a coefficient; 7.5 beat 5.5 by 0.2 dB in the one fit that was tried
_POINTS = 1e7  # that a coefficient shall see: networks that saw fewer fitted worse than smaller ones
_SMALL = 1000  # coefficients that are tried whatever the time
_PER_BOX = 0.1  # coefficients that fit as well as one average over a box: 0.03 to 0.22 on six photos
_FIRST_LAMBDA = 1e-2
_GROWTH = 1.7


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
    job = Job(image, config, seed, progress)
    if config.thesis:
        return _thesis(job, target)
    if target.max_bytes is not None:
        return _within(job, target.max_bytes)
    if target.min_psnr is not None:
        return _reach(job, target.min_psnr)
    assert target.lambda_ is not None
    return _trade(job, target.lambda_)


def _within(job: Job, budget: int) -> bytes:
    """Fill at most `budget` bytes."""
    channels = job.image.shape[2]
    least = len(_blank(choose(1.0, channels)))
    if budget < least:
        raise ValueError(
            f"{budget} bytes are left for a network that needs {least}; allow {least - budget} more"
        )
    budget = min(budget, max(least, job.image.size))
    shape = _shape(job, 8 * (budget - least) / _BITS)
    pack = job.packer(shape, aims.Within(shape, budget), _FIRST_LAMBDA)
    data = pack(0)
    if aims.fills(data, budget):
        return data
    around = aims.filling(pack, budget) + np.arange(-8, 9) / 64
    return max((data for data in map(pack, around) if len(data) <= budget), key=len)


def _reach(job: Job, least: float) -> bytes:
    """Reach a PSNR of `least` dB with few bytes."""
    best, shape = -np.inf, _shape(job, min(n for n, mse in _sketch(job) if mse <= 10 ** (-least / 10)))
    while True:
        pack = job.packer(shape, aims.Reach(shape, job, least), _FIRST_LAMBDA)
        data = pack(0)
        if aims.reaches(job.psnr(data), least):
            return data
        best = max(best, job.psnr(pack(-4)))
        if best >= least:
            return _coarsest(job, pack, least, len(shape.layers))
        larger = _shape(job, _GROWTH * shape.parameters)
        if larger.parameters <= shape.parameters or shape.parameters > job.image.size:
            raise ValueError(
                f"{least} dB are out of reach of this preset; ask for at most {best - 0.05:.1f} dB"
            )
        shape = larger


def _coarsest(job: Job, pack: Pack, least: float, layers: int) -> bytes:
    """Choose coarse quantization steps under which the PSNR is still `least` dB: all alike, then by layer."""
    low, high, data = -4.0, 4.0, pack(-4)
    psnr = job.psnr(data)
    for _ in range(7):
        middle = (low + high) / 2
        trial = pack(middle)
        if (reached := job.psnr(trial)) >= least:
            low, data, psnr = middle, trial, reached
        else:
            high = middle
    octaves = np.full(layers, low)
    for more, layer in itertools.product((1, 1 / 2, 1 / 4, 1 / payload.STEPS), np.eye(layers)):
        if aims.reaches(psnr, least):
            break
        trial = pack(octaves + more * layer)
        if (reached := job.psnr(trial)) >= least:
            octaves, data, psnr = octaves + more * layer, trial, reached
    return data


def _trade(job: Job, lambda_: float) -> bytes:
    """Minimize MSE + lambda_ * bits per pixel."""
    price = lambda_ / (job.image.shape[0] * job.image.shape[1])
    parameters, _ = min(_sketch(job), key=lambda point: point[1] + price * _BITS * point[0])
    pack = job.packer(_shape(job, parameters), aims.Trade(), lambda_)
    return pack(0)


def _thesis(job: Job, target: rate.Target) -> bytes:
    """Fit the largest network that fits the bytes, as the thesis does, and keep it in float32."""
    if target.max_bytes is None:
        raise ValueError("the preset thesis needs a number of bytes; give max_bytes or max_bpp")
    shape = largest((target.max_bytes - payload.PREFIX) // 4, job.image.shape[2])
    if shape is None:
        raise ValueError("the bytes hold no network in float32; allow more")
    fitted = job.guarded(functools.partial(fit.as_thesis, job.image, shape))
    return payload.pack_float32(shape, fitted.layers)


def _shape(job: Job, parameters: float) -> Shape:
    """Choose a network of about so many coefficients, but no more than the work of the preset can fit."""
    most = max(_SMALL, job.config.work / _POINTS)
    return choose(np.clip(parameters, 1, most), job.image.shape[2])


def _sketch(job: Job) -> list[tuple[float, float]]:
    """Guess the MSE of networks by that of averages over boxes: pairs of coefficients and MSE."""
    longest = max(job.image.shape[:2])
    sides = {max(1, round(longest * 2 ** (-octave / 4))) for octave in range(1, 4 * longest.bit_length() + 1)}
    grids = [points.averages(job.image, side)[1] for side in sides]
    return [(_PER_BOX * colors.size, points.lost(job.image, colors)) for colors in grids]


def _blank(shape: Shape) -> bytes:
    zeros = [np.zeros(layer) for layer in shape.layers]
    return payload.pack(shape, payload.quantize(zeros, [1.0] * len(zeros)))
