"""Decode a codec's file and measure it against the original."""

import os
import platform
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import PIL
from jaxtyping import UInt8

from dfm import contestant, metrics


@dataclass(frozen=True, kw_only=True)
class Result:
    """Hold one file of one codec, decoded and measured.

    `psnr_db` is inf without loss; `ssim` and `ms_ssim` are None where the image is too small for them.
    Seconds are of one run on a machine that may have other work: an indication.
    """

    codec: str
    label: str
    settings: dict[str, Any]
    data: bytes
    decoded: UInt8[np.ndarray, "h w c"]
    psnr_db: float
    ssim: float | None
    ms_ssim: float | None
    encode_seconds: float
    decode_seconds: float

    def row(self, name: str, facts: dict[str, Any]) -> dict[str, Any]:
        """Give the figures as a JSON object, between the `name` of the image and other facts."""
        return {
            "image": name,
            "codec": self.codec,
            "label": self.label,
            "settings": self.settings,
            "bytes": len(self.data),
            "bpp": round(metrics.bits_per_pixel(len(self.data), self.decoded.shape), 6),
            "psnr_db": round(self.psnr_db, 4) if np.isfinite(self.psnr_db) else None,
            "ssim": None if self.ssim is None else round(self.ssim, 6),
            "ms_ssim": None if self.ms_ssim is None else round(self.ms_ssim, 6),
            "encode_seconds": round(self.encode_seconds, 4),
            "decode_seconds": round(self.decode_seconds, 4),
        } | facts


def measure(
    original: UInt8[np.ndarray, "h w c"], entry: contestant.Contestant, file: contestant.File
) -> Result:
    """Decode a file that `entry` made of `original`, and measure it."""
    start = time.perf_counter()
    decoded = entry.decode(file.data)
    seconds = time.perf_counter() - start
    decoded = contestant.conform(decoded, original.shape[2])
    side = min(original.shape[:2])
    return Result(
        codec=entry.name,
        label=entry.label,
        settings=asdict(file.setting),
        data=file.data,
        decoded=decoded,
        psnr_db=metrics.psnr(original, decoded),
        ssim=metrics.ssim(original, decoded) if side >= metrics.SSIM_SIDE else None,
        ms_ssim=metrics.ms_ssim(original, decoded) if side >= metrics.MS_SSIM_SIDE else None,
        encode_seconds=file.seconds,
        decode_seconds=seconds,
    )


def machine() -> str:
    """Say where seconds were measured."""
    return f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, Pillow {PIL.__version__}"
