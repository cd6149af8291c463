"""Meet a target of rate or quality with one fit: lambda is steered on the way, rounding does the rest."""

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jaxtyping import UInt8

from dfm import rate
from dfm.codecs.latent import fit, payload, quantize, weights
from dfm.codecs.latent.job import Job

if TYPE_CHECKING:
    from dfm.codecs.latent import Config

_FILL = 0.9, 0.992  # of the bytes, for latents before weights are rounded, and for both
_OVER = 1.02, 0.15  # of the bytes, and dB above the PSNR, in the fit
_MARGIN = 0.01  # dB between the PSNR in floats and that of the decoder
_GAIN = 0.7  # bytes after a fit over those of the guess, about
_TRIES = 3
_FINEST, _WIDEST = 0.005, 1e4  # of the rounding toward zero, in symbols


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
    pixels = jnp.asarray(image.transpose(2, 0, 1) / 255.0, jnp.float32)
    jobs = [Job(image, pixels, number, config, seed, notify) for number in range(weights.BASES)]
    number, lambda_ = _first(jobs, target)
    tried = [job.guessing() for job in (jobs if config.steps == 0 else jobs[number : number + 1])]
    if config.steps:
        tried.append(jobs[number])
    found: list[bytes] = []
    failures: list[ValueError] = []
    for job in tried:
        try:
            found.append(_meeting(job, target, lambda_))
        except ValueError as error:
            failures.append(error)
    if not found:
        raise failures[-1]
    return min(found, key=functools.partial(_cost, jobs[0], target))


def _meeting(job: Job, target: rate.Target, lambda_: float) -> bytes:
    """Fit, or guess if that is all that the job shall do, and give a stream that meets the target."""
    fitted = _fitted(job, target, lambda_)
    if target.max_bytes is not None:
        return _within(job, fitted, target.max_bytes)
    if target.min_psnr is not None:
        return _reaching(job, fitted, target.min_psnr)
    return job.packed(fitted.latents, _changes(job, fitted, 0.0), 0.0)


def _cost(job: Job, target: rate.Target, data: bytes) -> float:
    """Tell what a stream that meets the target costs: a fit of few steps may be worse than its guess."""
    if target.min_psnr is not None:
        return len(data)
    price = 0.0 if target.lambda_ is None else 8 * target.lambda_ / (job.image.size / 3)
    return 10 ** (-job.psnr(data) / 10) + price * len(data)


def _first(guesses: list[Job], target: rate.Target) -> tuple[int, float]:
    """Choose base networks, and the first lambda, by what the analysis networks guess."""
    lambdas = np.log([guess.base.lambda_ for guess in guesses])
    if target.lambda_ is not None:
        return int(np.argmin(np.abs(lambdas - np.log(target.lambda_)))), target.lambda_
    sketches = [guess.measured(fit.guess(guess.base, guess.pixels), {}, 0.0) for guess in guesses]
    if target.max_bytes is not None:
        found, wanted = [np.log(_GAIN * size) for size, _ in sketches], float(np.log(target.max_bytes))
    else:
        assert target.min_psnr is not None
        found, wanted = [np.log(mse) for _, mse in sketches], -target.min_psnr / 10 * float(np.log(10))
    order = np.argsort(found)
    inside = np.interp(wanted, np.array(found)[order], lambdas[order])
    beyond = wanted - np.clip(wanted, min(found), max(found))
    log_lambda = float(inside + np.polyfit(found, lambdas, 1)[0] * beyond)
    return int(np.argmin(np.abs(lambdas - log_lambda))), float(np.exp(log_lambda))


def _fitted(job: Job, target: rate.Target, lambda_: float) -> fit.Fitted:
    """Fit, and again more slowly where a fit diverges."""
    config = job.config
    if config.steps == 0:
        return fit.Fitted(fit.start(job.base, job.pixels), lambda_)
    steer = functools.partial(_steered, target)
    for attempt in range(_TRIES):
        state, seed = fit.start(job.base, job.pixels), (job.seed + attempt) % 2**32
        try:
            return fit.soft(state, job.pixels, job.base, config, steer, lambda_, seed=seed, notify=job.notify)
        except FloatingPointError:
            config = dataclasses.replace(
                config, weight_rate=config.weight_rate / 4, latent_rate=config.latent_rate / 2
            )
    raise ValueError(f"{_TRIES} fits of the image diverged; choose another seed")


def _steered(target: rate.Target, report: fit.Report, lambda_: float) -> float:
    """Give the next lambda."""
    if target.max_bytes is not None:
        ratio = (report.bits + report.weight_bits) / 8 / (_OVER[0] * target.max_bytes)
    elif target.min_psnr is not None:
        ratio = (10 ** (-(target.min_psnr + _OVER[1]) / 10) / report.mse) ** 2
    else:
        return lambda_
    return lambda_ * float(np.clip(ratio, 0.7, 1.4))


def _changes(job: Job, fitted: fit.Fitted, zone: float) -> payload.Changes:
    """Round the changes of the weights."""
    if job.config.steps == 0:
        return {}
    symbols = quantize.symbols(fitted.latents, job.base.finest, zone)
    return quantize.changes(fitted, job.base, job.pixels, symbols)


def _within(job: Job, fitted: fit.Fitted, budget: int) -> bytes:
    """Round toward zero as far as the stream needs to fit into `budget` bytes."""

    def exceeds(changes: payload.Changes, share: float, zone: float) -> bool:
        return job.measured(fitted.latents, changes, zone)[0] > share * budget

    changes = _changes(job, fitted, _widest(functools.partial(exceeds, {}, _FILL[0])))
    if payload.bytes_of_changes(job.base, changes) > budget / 2:
        changes = {}
    zone = _widest(functools.partial(exceeds, changes, _FILL[1]))
    while len(data := job.packed(fitted.latents, changes, zone)) > budget:
        if zone >= _WIDEST:
            raise ValueError(f"{budget} bytes are too few for this image; allow {len(data) - budget} more")
        zone = min(1.05 * zone + _FINEST, _WIDEST)
    return data


def _reaching(job: Job, fitted: fit.Fitted, least: float) -> bytes:
    """Round toward zero while the PSNR stays above `least` dB; fit on where it does not at first."""

    def reaches(changes: payload.Changes, zone: float) -> bool:
        _, mse = job.measured(fitted.latents, changes, zone)
        return bool(-10 * np.log10(max(mse, 1e-12)) >= least + _MARGIN)

    for _ in range(_TRIES):
        changes = _changes(job, fitted, 0.0)
        zone = _widest(functools.partial(reaches, changes))
        for narrower in (zone, zone - 4 * _FINEST, 0.0):
            data = job.packed(fitted.latents, changes, max(narrower, 0.0))
            if (reached := job.psnr(data)) >= least:
                return data
        if job.config.steps == 0:
            break
        fitted = fit.soft(
            fitted.state,
            job.pixels,
            job.base,
            job.config,
            functools.partial(_steered, rate.Target(min_psnr=2 * least - reached)),
            fitted.lambda_ / 1.5,
            again=True,
            seed=job.seed,
            notify=job.notify,
        )
    raise ValueError(f"{least} dB are out of reach of this preset; ask for at most {reached - 0.05:.1f} dB")


def _widest(holds: Callable[[float], bool]) -> float:
    """Find about the widest zone at which something still holds; 0 where it never does."""
    low, high = 0.0, _FINEST
    while high < _WIDEST and holds(high):
        low, high = high, 2 * high
    while high - low > max(_FINEST, 0.02 * low):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
