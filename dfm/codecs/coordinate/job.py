"""Hold what the fits of one image share."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import UInt8

from dfm import exact, metrics
from dfm.codecs.coordinate import fit, payload
from dfm.codecs.coordinate.shape import Shape

if TYPE_CHECKING:
    from dfm.codecs.coordinate import Config

_TRIES = 3

Pack = Callable[[float], bytes]


class Job(NamedTuple):
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
        for attempt in range(_TRIES):
            try:
                return run(config=config, seed=(self.seed + attempt) % 2**32, notify=self.notify)
            except FloatingPointError:
                config = config.slower()
        raise ValueError(f"{_TRIES} fits of the image diverged; choose another seed")

    def packer(self, shape: Shape, aim: fit.Aim, lambda_: float) -> Pack:
        """Fit a network, and return what packs it, all its quantization steps times 2^octaves."""
        run = functools.partial(fit.coded, self.image, shape, aim=aim, lambda_=lambda_)
        return functools.partial(pack, shape, self.guarded(run))


def pack(shape: Shape, fitted: fit.Fitted, octaves: float) -> bytes:
    """Give the payload of a network, all its quantization steps times 2^octaves."""
    steps = [2**octaves * step for step in fitted.steps]
    return payload.pack(shape, payload.quantize(fitted.layers, steps))
