"""Steer a fit to a number of bytes, to a PSNR, or by a fixed lambda (the protocol `fit.Aim`)."""

import functools
from dataclasses import dataclass

import numpy as np

from dfm.codecs.coordinate import fit
from dfm.codecs.coordinate.job import Job, Pack, pack
from dfm.codecs.coordinate.shape import Shape

_FILL = 0.97, 0.985, 1.0  # of the bytes, at least, in the fit, at most
_ABOVE = 0.0, 0.12, 0.3  # dB above the PSNR, at least, in the fit, at most


@dataclass
class Within:
    """Aim at a number of bytes."""

    shape: Shape
    budget: int

    def first(self, fitted: fit.Fitted) -> float:
        return filling(functools.partial(pack, self.shape, fitted), _FILL[1] * self.budget)

    def price(self, report: fit.Report, lambda_: float) -> float:
        return lambda_ * _adapted(report.bits / 8 / (_FILL[1] * self.budget))

    def met(self, fitted: fit.Fitted) -> bool:
        return fills(pack(self.shape, fitted, 0), self.budget)


@dataclass
class Reach:
    """Aim at a PSNR in dB."""

    shape: Shape
    job: Job
    least: float

    def first(self, fitted: fit.Fitted) -> float:
        return 0.0

    def price(self, report: fit.Report, lambda_: float) -> float:
        return lambda_ / _adapted((report.mse * 10 ** ((self.least + _ABOVE[1]) / 10)) ** 4)

    def met(self, fitted: fit.Fitted) -> bool:
        return reaches(self.job.psnr(pack(self.shape, fitted, 0)), self.least)


class Trade:
    """Keep lambda."""

    def first(self, fitted: fit.Fitted) -> float:
        return 0.0

    def price(self, report: fit.Report, lambda_: float) -> float:
        return lambda_

    def met(self, fitted: fit.Fitted) -> bool:
        return True


def fills(data: bytes, budget: int) -> bool:
    """Tell whether a payload is within `budget` bytes and makes use of them."""
    return _FILL[0] * budget <= len(data) <= budget


def reaches(psnr: float, least: float) -> bool:
    """Tell whether a PSNR is `least` dB, and not much more."""
    return _ABOVE[0] <= psnr - least <= _ABOVE[2]


def _adapted(ratio: float) -> float:
    """Give the factor on lambda where the rate is `ratio` times the wanted one."""
    return float(np.clip(ratio, 0.5, 2) ** 2)


def filling(pack_: Pack, budget: float) -> float:
    """Find the octaves by which to coarsen the steps for at most `budget` bytes."""
    low, high = -24.0, 24.0
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if len(pack_(middle)) <= budget else (middle, high)
    return high
