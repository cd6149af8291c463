"""Code images as lossy WebP (RFC 9649) at its slowest method through Pillow."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8

from dfm.codecs import _pillow

LABEL = "WebP"
CHANNELS = (3, 4)
QUALITIES = range(101)
METHODS = range(7)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose `quality`, 0 to 100, and `method`, from 0, the fastest, to 6, the strongest.

    Chroma is 4:2:0 always. Alpha is kept without loss, and so is color where a pixel is transparent.

    Raises:
        ValueError: a field is outside its range.
    """

    quality: int = 75
    method: int = 6

    def __post_init__(self) -> None:
        _pillow.check("quality", self.quality, QUALITIES)
        _pillow.check("method", self.method, METHODS)


VARIANTS = {"4:2:0": Config()}


def encode(image: UInt8[np.ndarray, "h w c"], config: Config) -> bytes:
    """Encode RGB or RGBA.

    Raises:
        ValueError: the image is gray, which WebP is not, or has a side over 16383 pixels.
    """
    options = {"quality": config.quality, "method": config.method, "exact": True}
    return _pillow.save(image, "WEBP", CHANNELS, options)


def decode(data: bytes) -> UInt8[np.ndarray, "h w c"]:
    """Decode a WebP file; alpha that is opaque everywhere is not in it."""
    return _pillow.load(data, "WEBP")


def ladder(config: Config) -> list[Config]:
    """List `config` at every quality, the smallest file first."""
    return [replace(config, quality=q) for q in QUALITIES]


def sweep(config: Config) -> list[Config]:
    """List `config` at the qualities of a rate-distortion curve, the smallest file first."""
    return [replace(config, quality=q) for q in (0, 1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95)]
