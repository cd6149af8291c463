"""Code images as JPEG 2000 (ITU-T T.800) with OpenJPEG through Pillow: 9/7 wavelet, one layer, one tile."""

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8

from dfm.codecs import _pillow

LABEL = "JPEG 2000"
CHANNELS = (1, 2, 3, 4)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose `bits_per_pixel` of the file, which small images exceed by the 200 bytes of its headers.

    Chroma is not subsampled. RGB gets the color transform; Pillow has none for RGBA, at a cost of some dB.

    Raises:
        ValueError: `bits_per_pixel` is no finite number above 0.
    """

    bits_per_pixel: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.bits_per_pixel < math.inf:
            raise ValueError(f"bits_per_pixel is {self.bits_per_pixel}; choose a finite number above 0")


VARIANTS = {"4:4:4": Config()}


def encode(image: UInt8[np.ndarray, "h w c"], config: Config) -> bytes:
    """Encode gray or RGB, with alpha or without, as a .jp2 file."""
    channels = image.shape[2]
    options = {
        "irreversible": True,
        "mct": int(channels == 3),
        "quality_mode": "rates",
        "quality_layers": [max(1.0, 8 * channels / config.bits_per_pixel)],
    }
    return _pillow.save(image, "JPEG2000", CHANNELS, options)


def decode(data: bytes) -> UInt8[np.ndarray, "h w c"]:
    """Decode a .jp2 file."""
    return _pillow.load(data, "JPEG2000")


def ladder(config: Config) -> list[Config]:
    """List `config` from 0.005 to 32 bits per pixel in steps of 1 %, the smallest file first."""
    steps = math.ceil(math.log(32 / 0.005, 1.01))
    return [replace(config, bits_per_pixel=0.005 * 1.01**i) for i in range(steps + 1)]


def sweep(config: Config) -> list[Config]:
    """List `config` at the rates of a rate-distortion curve, the smallest file first."""
    rates = (0.02, 0.05, 0.1, 0.175, 0.25, 0.4, 0.6, 0.9, 1.3, 2.0)
    return [replace(config, bits_per_pixel=b) for b in rates]
