"""Hold what does not change while an image is encoded."""

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Array, Float, UInt8

from dfm import metrics
from dfm.codecs import latent
from dfm.codecs.latent import fit, payload, quantize, weights

if TYPE_CHECKING:
    from dfm.codecs.latent import Config


class Job(NamedTuple):
    """Hold an image, its pixels in [0, 1], base networks by their number, and how to fit."""

    image: UInt8[np.ndarray, "h w 3"]
    pixels: Float[Array, "3 h w"]
    number: int
    config: "Config"
    seed: int
    notify: fit.Notify

    @property
    def base(self) -> weights.Base:
        """Give the base networks."""
        return weights.base(self.number)

    def guessing(self) -> "Job":
        """Give the same without a fit."""
        return self._replace(config=dataclasses.replace(self.config, steps=0))

    def sketch(self) -> "Sketch":
        """Estimate what a guess with the base networks comes to."""
        size, mse = self.measured(fit.guess(self.base, self.pixels), {}, 0.0)
        loss = mse + 8 * self.base.lambda_ * size / (self.image.size / 3)
        return Sketch(self, size, mse, loss)

    def measured(self, latents: list[Array], changes: payload.Changes, zone: float) -> tuple[float, float]:
        """Estimate the bytes of a stream, and the MSE of pixels in [0, 1]."""
        symbols = quantize.symbols(latents, self.base.finest, zone)
        bits, mse = quantize.measure(self.base, changes, symbols, self.pixels)
        return bits / 8 + payload.bytes_of_changes(self.base, changes), mse

    def packed(self, latents: list[Array], changes: payload.Changes, zone: float) -> bytes:
        """Give the stream of rounded latents."""
        symbols = quantize.symbols(latents, self.base.finest, zone)
        return payload.pack(self.number, changes, symbols, self.image.shape[:2])

    def psnr(self, data: bytes) -> float:
        """Measure the PSNR of a stream as the decoder sees it."""
        return metrics.psnr(self.image, latent.stream(data, self.image.shape[:2]))


class Sketch(NamedTuple):
    """Hold what a guess comes to: bytes, MSE of pixels in [0, 1], and the loss at the networks' lambda."""

    job: Job
    size: float
    mse: float
    loss: float
