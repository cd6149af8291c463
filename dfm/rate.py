"""Say how many bytes, or how much quality, a file shall have."""

import math
import operator
from dataclasses import dataclass, fields

DEFAULT_LAMBDA = 1e-3

_MOST_BYTES = 2**53  # up to which a float holds whole numbers


@dataclass(frozen=True, kw_only=True)
class Target:
    """Hold exactly one aim of an encoder.

    Attributes:
        lambda_: minimize MSE + lambda_ * bits per pixel, where pixels lie in [0, 1]; above 0.
        max_bytes: use at most so many bytes, and as many as help; at least 1.
        min_psnr: reach this PSNR in dB, with as few bytes as can be; above 0.

    Raises:
        ValueError: not exactly one is given, or it is out of its range.
    """

    lambda_: float | None = None
    max_bytes: int | None = None
    min_psnr: float | None = None

    def __post_init__(self) -> None:
        given = [f.name for f in fields(self) if getattr(self, f.name) is not None]
        if len(given) != 1:
            raise ValueError(f"{_listed(given)} given; give exactly one of lambda_, max_bytes and min_psnr")
        if self.max_bytes is not None:
            operator.index(self.max_bytes)
        _check_positive(given[0], getattr(self, given[0]))


def target(
    pixels: int,
    *,
    lambda_: float | None = None,
    max_bpp: float | None = None,
    max_bytes: int | None = None,
    min_psnr: float | None = None,
) -> Target:
    """Make the target of an image of so many `pixels`; lambda_ = DEFAULT_LAMBDA where none is given.

    `max_bpp`, in bits per pixel, becomes max_bytes, rounded down.

    Raises:
        ValueError: more than one is given, one is out of its range, or `max_bpp` is less than a byte.
    """
    options = {"lambda_": lambda_, "max_bpp": max_bpp, "max_bytes": max_bytes, "min_psnr": min_psnr}
    given = [name for name, value in options.items() if value is not None]
    if len(given) > 1:
        raise ValueError(f"{_listed(given)} given; give one of {', '.join(options)}, or none")
    if max_bpp is not None:
        _check_positive("max_bpp", max_bpp)
        max_bytes = math.floor(min(max_bpp * pixels / 8, _MOST_BYTES))
        if max_bytes < 1:
            raise ValueError(f"max_bpp is {max_bpp}, not even a byte for {pixels} pixels; allow more")
    if not given:
        lambda_ = DEFAULT_LAMBDA
    return Target(lambda_=lambda_, max_bytes=max_bytes, min_psnr=min_psnr)


def _check_positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} is {value}; give a finite number above 0")


def _listed(names: list[str]) -> str:
    verb = "is" if len(names) == 1 else "are"
    return f"{' and '.join(names) or 'none'} {verb}"
