"""Meet a target of rate or quality with one fit: lambda is steered on the way, rounding does the rest."""

import dataclasses
import functools
import math
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from dfm import rate
from dfm.codecs.latent import deadzone, fit, planes, quantize, weights
from dfm.codecs.latent.job import Job, Sketch

if TYPE_CHECKING:
    from dfm.codecs.latent import Config

_USED = 0.97  # part of the bytes that is used at least
_CLOSE = 0.1  # dB above the PSNR at most
_LEAST = 1.0  # dB to aim for
_LESS = np.log(0.75), np.log(0.4)  # bytes and MSE after a fit over those of the guess, about
_TRIES = 3
_LEAD = 1.1  # of the loss of a guess: what octave 0 has to be better by to be so after a fit of 200 steps
_GAIN = 0.037  # of octave 0 by longer fits: the lead falls as the steps to this power


def encode(
    image: UInt8[np.ndarray, "h w 3"],
    config: "Config",
    target: rate.Target,
    *,
    seed: int,
    notify: fit.Notify,
) -> bytes:
    """Give the stream of an image.

    Raises:
        ValueError: the target is out of reach.
    """
    pixels = planes.of(image)
    falling = sorted(range(weights.BASES), key=lambda number: -weights.base(number).lambda_)
    jobs = [Job(image, pixels, number, config, seed, notify) for number in falling]
    chosen, lambda_ = _first(jobs, target)
    if config.steps and (data := _fit(chosen, target, lambda_)):
        return data
    if target.lambda_ is not None:
        return chosen.packed(chosen.rounded(chosen.guess()), None)
    return _guess(jobs, target)


def _guess(jobs: list[Job], target: rate.Target) -> bytes:
    """Give the best stream that meets the target with guessed latents."""
    found: list[bytes] = []
    failures: list[deadzone.OutOfReach] = []
    for job in jobs:
        try:
            found.append(deadzone.meeting(job, target))
        except deadzone.OutOfReach as error:
            failures.append(error)
    if not found:
        raise min(failures, key=lambda error: error.missing)
    return min(found, key=len if target.min_psnr is not None else lambda data: -jobs[0].psnr(data))


def _fit(job: Job, target: rate.Target, lambda_: float) -> bytes:
    """Fit, and give the last stream that meets the target, or nothing if none does."""
    job, fitted = _fitted(job, target, lambda_)
    aim, kept = target, b""
    for attempt in range(_TRIES + 1):
        if attempt:
            try:
                fitted = _again(job, fitted, aim)
            except FloatingPointError:
                break
        symbols = job.rounded(fitted.latents)
        changes = quantize.changes(fitted, job.base, job.pixels, symbols)
        data = job.packed(symbols, changes)
        if target.lambda_ is not None:
            return data
        met, near, aim = _judged(job, target, aim, data)
        kept = data if met else kept
        if met and near:
            break
    return kept


def _judged(job: Job, target: rate.Target, aim: rate.Target, data: bytes) -> tuple[bool, bool, rate.Target]:
    """Tell whether a stream meets the target, whether it is close to it, and what to aim for next."""
    if aim.max_bytes is not None and target.max_bytes is not None:
        used = len(data) / target.max_bytes
        budget = max(1, round(aim.max_bytes * (1 + _USED) / 2 / used))
        return used <= 1, used >= _USED, rate.Target(max_bytes=budget)
    assert aim.min_psnr is not None
    assert target.min_psnr is not None
    excess = job.psnr(data) - target.min_psnr
    least = max(_LEAST, aim.min_psnr + _CLOSE / 2 - excess)
    return excess >= 0, excess <= _CLOSE, rate.Target(min_psnr=least)


def _first(jobs: list[Job], target: rate.Target) -> tuple[Job, float]:
    """Choose base networks, and the first lambda, by what the analysis networks guess."""
    if target.lambda_ is not None:
        off = [abs(np.log(job.base.lambda_ / target.lambda_)) for job in jobs]
        near = [job for job, distance in zip(jobs, off, strict=True) if distance == min(off)]
        return (_best(near)[0].job if len(near) > 1 else near[0]), target.lambda_
    best = _best(jobs)
    if target.max_bytes is not None:
        found = [_LESS[0] + np.log(sketch.size) for sketch in best]
        wanted = math.log(target.max_bytes)
    else:
        assert target.min_psnr is not None
        found = [_LESS[1] + np.log(sketch.mse) for sketch in best]
        wanted = -target.min_psnr / 10 * np.log(10)
    lambdas, order = np.log([sketch.job.base.lambda_ for sketch in best]), np.argsort(found)
    inside = np.interp(wanted, np.array(found)[order], lambdas[order])
    beyond = wanted - np.clip(wanted, min(found), max(found))
    log_lambda = float(inside + np.polyfit(found, lambdas, 1)[0] * beyond)
    return best[int(np.argmin(np.abs(lambdas - log_lambda)))].job, float(np.exp(log_lambda))


def _best(jobs: list[Job]) -> list[Sketch]:
    """Guess with all base networks, and keep the most promising of each lambda."""
    sketches = sorted((job.sketch() for job in jobs), key=_expected, reverse=True)
    return list({sketch.job.base.lambda_: sketch for sketch in sketches}.values())


def _expected(sketch: Sketch) -> float:
    """Give the loss of a guess, as it compares with others after a fit."""
    lead = _LEAD * max(sketch.job.config.steps / 200, 1) ** -_GAIN
    return sketch.loss * (lead if sketch.job.base.finest == 0 else 1)


def _fitted(job: Job, target: rate.Target, lambda_: float) -> tuple[Job, fit.Fitted]:
    """Fit, and again more slowly where a fit diverges; give also the job that did not."""
    for _ in range(_TRIES):
        try:
            return job, _soft(job, fit.start(job.base, job.pixels), target, lambda_)
        except FloatingPointError:
            config = dataclasses.replace(
                job.config, weight_rate=job.config.weight_rate / 4, latent_rate=job.config.latent_rate / 2
            )
            job = job._replace(config=config, seed=(job.seed + 1) % 2**32)
    raise ValueError(f"{_TRIES} fits of the image diverged; choose another seed")


def _again(job: Job, fitted: fit.Fitted, aim: rate.Target) -> fit.Fitted:
    """Make the last part of a fit again with another aim."""
    return _soft(job, fitted.state, aim, fitted.lambda_, again=True)


def _soft(job: Job, state: fit.State, aim: rate.Target, lambda_: float, *, again: bool = False) -> fit.Fitted:
    return fit.soft(
        state,
        job.pixels,
        job.base,
        job.config,
        functools.partial(_steered, job, aim),
        lambda_,
        again=again,
        quantization=lambda fitted: quantize.quantization_step(fitted, job.base, job.pixels),
        seed=job.seed,
        notify=job.notify,
    )


def _steered(job: Job, aim: rate.Target, state: fit.State, report: fit.Report, lambda_: float) -> float:
    """Give the next lambda."""
    if aim.max_bytes is not None:
        ratio = (report.bits / 8 + quantize.likely_bytes(state, job.base, job.pixels)) / aim.max_bytes
    elif aim.min_psnr is not None:
        ratio = (10 ** (-aim.min_psnr / 10) / report.mse) ** 2
    else:
        return lambda_
    return lambda_ * float(np.clip(ratio, 0.8, 1.25))
