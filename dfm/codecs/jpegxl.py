"""Code images as JPEG XL (ISO/IEC 18181) with libjxl, where Pillow's plugin for it is installed."""

import importlib.util
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8

from dfm.codecs import _pillow

LABEL = "JPEG XL"
CHANNELS = (1, 2, 3, 4)
QUALITIES = range(1, 100)  # 100 asks for lossless coding, which takes other options
EFFORTS = range(1, 11)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose `quality`, 1 to 99, and `effort`, 1 to 10 (strongest).

    Its encoder is tuned for the eye: PSNR understates it. Color is lost where a pixel is transparent.

    Raises:
        ValueError: a field is outside its range.
    """

    quality: int = 75
    effort: int = 7

    def __post_init__(self) -> None:
        _pillow.check("quality", self.quality, QUALITIES)
        _pillow.check("effort", self.effort, EFFORTS)


VARIANTS = {"4:4:4": Config()}


def encode(image: UInt8[np.ndarray, "h w c"], config: Config) -> bytes:
    """Encode gray or RGB, with alpha or without.

    Raises:
        ValueError: the plugin is not installed.
    """
    _register()
    options = {"quality": config.quality, "effort": config.effort}
    return _pillow.save(image, "JXL", CHANNELS, options)


def decode(data: bytes) -> UInt8[np.ndarray, "h w c"]:
    """Decode a JPEG XL file.

    Raises:
        ValueError: the plugin is not installed, or the data are damaged.
    """
    _register()
    return _pillow.load(data, "JXL")


def ladder(config: Config) -> list[Config]:
    """List `config` at every quality, the smallest file first."""
    return [replace(config, quality=q) for q in QUALITIES]


def sweep(config: Config) -> list[Config]:
    """List `config` at the qualities of a rate-distortion curve, the smallest file first."""
    return [replace(config, quality=q) for q in (1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95)]


def _register() -> None:
    """Let Pillow know the format: importing its plugin does."""
    if importlib.util.find_spec("pillow_jxl") is None:
        raise ValueError('JPEG XL needs a plugin of Pillow; install it with: pip install "dfm[jxl]"')
    importlib.import_module("pillow_jxl")
