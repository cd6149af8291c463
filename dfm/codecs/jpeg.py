"""Code images as progressive JPEG with optimal Huffman tables (ITU-T T.81) through Pillow."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8

from dfm.codecs import _pillow

LABEL = "JPEG"
CHANNELS = (1, 3)
QUALITIES = range(1, 101)
SUBSAMPLINGS = ("4:2:0", "4:2:2", "4:4:4")
TABLES = ("standard", "flat")

_FLAT_STEPS = (16, 10)  # luma, chroma at quality 50


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose `quality`, 1 to 100, the chroma `subsampling`, and the quantization `tables`.

    "standard" tables are those of Annex K, made for the eye, as nearly all programs write; "flat" ones have
    one step for luma and one for chroma, and save a sixth of the bytes at equal PSNR (experiments/baselines).

    Raises:
        ValueError: a field is outside its range.
    """

    quality: int = 75
    subsampling: str = "4:2:0"
    tables: str = "standard"

    def __post_init__(self) -> None:
        _pillow.check("quality", self.quality, QUALITIES)
        _pillow.check("subsampling", self.subsampling, SUBSAMPLINGS)
        _pillow.check("tables", self.tables, TABLES)


VARIANTS = {"4:2:0": Config(), "4:4:4": Config(subsampling="4:4:4"), "flat": Config(tables="flat")}


def encode(image: UInt8[np.ndarray, "h w c"], config: Config) -> bytes:
    """Encode gray or RGB.

    Raises:
        ValueError: the image has alpha, which JPEG has not, or a side over 65500 pixels.
    """
    tables = {"qtables": _flat(config.quality)} if config.tables == "flat" else {"quality": config.quality}
    options = {"subsampling": config.subsampling, "optimize": True, "progressive": True} | tables
    return _pillow.save(image, "JPEG", CHANNELS, options)


def decode(data: bytes) -> UInt8[np.ndarray, "h w c"]:
    """Decode a JPEG file."""
    return _pillow.load(data, "JPEG")


def ladder(config: Config) -> list[Config]:
    """List `config` at every quality, the smallest file first."""
    return [replace(config, quality=q) for q in QUALITIES]


def sweep(config: Config) -> list[Config]:
    """List `config` at the qualities of a rate-distortion curve, the smallest file first."""
    qualities = (1, 3, 4, 5, 6, 8, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 95)
    return [replace(config, quality=q) for q in qualities]


def _flat(quality: int) -> list[list[int]]:
    """Make the tables of a quality, which scales steps as libjpeg does."""
    percent = 5000 / quality if quality < 50 else 200 - 2 * quality
    return [[min(255, max(1, round(step * percent / 100)))] * 64 for step in _FLAT_STEPS]
