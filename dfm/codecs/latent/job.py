"""Hold what does not change while an image is encoded."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Array, Float, UInt8

from dfm import metrics
from dfm.codecs import latent
from dfm.codecs.latent import fit, payload, quantize, weights
from dfm.codecs.latent.exact_context import Symbols
from dfm.codecs.latent.weight_changes import Changes

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

    def guess(self) -> list[Array]:
        """Guess the latents, in units of a symbol."""
        return fit.guess(self.base, self.pixels)

    def sketch(self) -> "Sketch":
        """Estimate what a guess with the base networks comes to."""
        size, mse = self.measured(self.rounded(self.guess()))
        loss = mse + 8 * self.base.lambda_ * size / (self.image.size / 3)
        return Sketch(self, size, mse, loss)

    def rounded(self, latents: list[Array], zone: float = 0.0) -> Symbols:
        """Round latents, toward zero by `zone`."""
        return quantize.symbols(latents, self.base.finest, zone)

    def measured(self, symbols: Symbols) -> tuple[float, float]:
        """Estimate the bytes of a stream without changes, and the MSE of pixels in [0, 1]."""
        bits, mse = quantize.measure(self.base, None, symbols, self.pixels)
        return bits / 8, mse

    def packed(self, symbols: Symbols, changes: Changes | None) -> bytes:
        """Give the stream of symbols and changes of the weights."""
        return payload.pack(self.number, changes, symbols, self.image.shape[:2])

    def psnr(self, data: bytes) -> float:
        """Measure the PSNR of a stream as the decoder sees it."""
        height, width = self.image.shape[:2]
        return metrics.psnr(self.image, latent.stream(data, (height, width), (0, height)))


class Sketch(NamedTuple):
    """Hold what a guess comes to: bytes, MSE of pixels in [0, 1], and the loss at the networks' lambda."""

    job: Job
    size: float
    mse: float
    loss: float
