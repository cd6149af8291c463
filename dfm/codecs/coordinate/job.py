"""Hold what the fits of one image share."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from dfm import container, metrics
from dfm.codecs import coordinate
from dfm.codecs.coordinate import fit, payload
from dfm.codecs.coordinate.shape import Shape

_TRIES = 3

Pack = Callable[[float | Float[np.ndarray, " layers"]], bytes]


class Job(NamedTuple):
    """Hold what every fit of an image shares."""

    image: UInt8[np.ndarray, "h w c"]
    config: coordinate.Config
    seed: int
    notify: fit.Notify

    def psnr(self, data: bytes) -> float:
        """Measure the PSNR in dB of a payload as the decoder sees it."""
        height, width, channels = self.image.shape
        header = container.Header(codec="coor", width=width, height=height, channels=channels)
        whole = coordinate.decode(data, header, size=(width, height), region=(0, 0, width, height))
        return metrics.psnr(self.image, whole)

    def guarded(self, run: Callable[..., fit.Fitted]) -> fit.Fitted:
        """Fit again from another start, and slower, where a fit diverges or collapses."""
        config = self.config
        for attempt in range(_TRIES):
            seed, strict = (self.seed + attempt) % 2**32, attempt < _TRIES - 1
            try:
                return run(config=config, seed=seed, notify=self.notify, strict=strict)
            except FloatingPointError:
                config = config.slower()
        raise ValueError(f"{_TRIES} fits of the image diverged; choose another seed")

    def packer(self, shape: Shape, aim: fit.Aim, lambda_: float) -> Pack:
        """Fit a network, and return what packs it, its quantization steps times 2^octaves."""
        run = functools.partial(fit.coded, self.image, shape, aim=aim, lambda_=lambda_)
        return functools.partial(pack, shape, self.guarded(run))


def pack(shape: Shape, fitted: fit.Fitted, octaves: float | Float[np.ndarray, " layers"]) -> bytes:
    """Give the payload of a network, its quantization steps times 2^octaves."""
    steps = 2.0**octaves * np.array(fitted.steps)
    return payload.pack(shape, payload.quantize(fitted.layers, steps.tolist()))
