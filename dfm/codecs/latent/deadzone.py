"""Meet a target with guessed latents and the base networks as they are, by rounding toward zero."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Array

from dfm import rate
from dfm.codecs.latent.job import Job

_MARGIN = 0.01  # dB between the PSNR in floats and that of the decoder
_FINEST, _WIDEST = 0.005, 1e4  # of the rounding toward zero, in symbols


class OutOfReach(ValueError):
    """Say that a target is not met, by how many bytes or dB `missing` are."""

    def __init__(self, message: str, missing: float) -> None:
        super().__init__(message)
        self.missing = missing


def meeting(job: Job, target: rate.Target) -> bytes:
    """Give the stream of guessed latents, rounded toward zero as far as need be, or may be.

    Raises:
        OutOfReach: that is not enough.
    """
    if target.max_bytes is not None:
        return _within(job, job.guess(), target.max_bytes)
    assert target.min_psnr is not None
    return _reaching(job, job.guess(), target.min_psnr)


def _within(job: Job, latents: list[Array], budget: int) -> bytes:
    zone = _widest(lambda zone: job.measured(job.rounded(latents, zone))[0] > budget)
    while len(data := job.packed(job.rounded(latents, zone), None)) > budget:
        if zone >= _WIDEST:
            more = len(data) - budget
            raise OutOfReach(f"the bytes are too few for this image; allow {more} more", more)
        zone = min(1.05 * zone + _FINEST, _WIDEST)
    return data


def _reaching(job: Job, latents: list[Array], least: float) -> bytes:
    def reaches(zone: float) -> bool:
        _, mse = job.measured(job.rounded(latents, zone))
        return bool(-10 * np.log10(max(mse, 1e-12)) >= least + _MARGIN)

    zone = _widest(reaches)
    for narrower in (zone, zone - 4 * _FINEST, 0.0):
        data = job.packed(job.rounded(latents, max(narrower, 0.0)), None)
        if (reached := job.psnr(data)) >= least:
            return data
    message = f"{least} dB are out of reach of this preset; ask for at most {reached - 0.05:.1f} dB"
    raise OutOfReach(message, least - reached)


def _widest(holds: Callable[[float], bool]) -> float:
    """Find about the widest zone at which something still holds; 0 where it never does."""
    low, high = 0.0, _FINEST
    while high < _WIDEST and holds(high):
        low, high = high, 2 * high
    while high - low > max(_FINEST, 0.02 * low):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
