"""Steer a fit to a number of bytes, to a PSNR, or by a fixed lambda (the protocol `fit.Aim`)."""

import functools
from dataclasses import dataclass

import numpy as np

from dfm.codecs.coordinate import fit
from dfm.codecs.coordinate.job import Job, Pack, pack
from dfm.codecs.coordinate.shape import Shape

FILL = 0.97, 0.985, 1.0  # of the bytes, at least, in the fit, at most
ABOVE = 0.0, 0.12, 0.3  # dB above the PSNR, at least, in the fit, at most


@dataclass
class Within:
    """Aim at a number of bytes."""

    shape: Shape
    budget: int

    def first(self, fitted: fit.Fitted) -> float:
        return filling(functools.partial(pack, self.shape, fitted), FILL[1] * self.budget)

    def price(self, report: fit.Report, lambda_: float) -> float:
        return lambda_ * _adapted(report.bits / 8 / (FILL[1] * self.budget))

    def met(self, fitted: fit.Fitted) -> bool:
        return FILL[0] * self.budget <= len(pack(self.shape, fitted, 0)) <= self.budget


@dataclass
class Reach:
    """Aim at a PSNR in dB."""

    shape: Shape
    job: Job
    least: float

    def first(self, fitted: fit.Fitted) -> float:
        return 0.0

    def price(self, report: fit.Report, lambda_: float) -> float:
        return lambda_ / _adapted((report.mse * 10 ** ((self.least + ABOVE[1]) / 10)) ** 4)

    def met(self, fitted: fit.Fitted) -> bool:
        above = self.job.psnr(pack(self.shape, fitted, 0)) - self.least
        return ABOVE[0] <= above <= ABOVE[2]


class Trade:
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


def filling(pack_: Pack, budget: float) -> float:
    """Find the octaves by which to coarsen the steps for at most `budget` bytes."""
    low, high = -24.0, 24.0
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if len(pack_(middle)) <= budget else (middle, high)
    return high
