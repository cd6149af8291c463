"""Fit a Fourier network as the thesis does (4.2.1), and measure it as a file of float32 weights."""

import dataclasses
import time
from typing import Any

import numpy as np
from jaxtyping import UInt8

import dfm
from dfm import container, metrics
from dfm.codecs import coordinate
from dfm.codecs.coordinate import fit, payload
from dfm.codecs.coordinate.shape import Shape

BITS = 32  # of a weight
BATCH = 64  # random pixels of a step (thesis, 4.2.1)


def measure(image: UInt8[np.ndarray, "h w c"], shape: Shape, steps: int, seed: int) -> dict[str, Any]:
    """Fit `shape` in about so many steps; give figures of the decoded file, None where the fit diverged."""
    config = dataclasses.replace(coordinate.PRESETS["thesis"], work=steps * BATCH * shape.parameters)
    start = time.perf_counter()
    row = {
        "parameters": shape.parameters,
        "size_percent": size_percent(shape.parameters, *image.shape),
        "steps": steps,
        "seed": seed,
    }
    try:
        fitted = fit.as_thesis(image, shape, config, seed=seed, notify=lambda *_: None, strict=False)
    except FloatingPointError:
        return row | {"bytes": None, "psnr_db": None, "seconds": round(time.perf_counter() - start, 2)}
    seconds = time.perf_counter() - start
    height, width, channels = image.shape
    header = container.Header(codec="coor", width=width, height=height, channels=channels)
    data = container.pack(header, payload.pack_float32(shape, fitted.layers))
    decoded = dfm.decode(data).reshape(image.shape)
    psnr = round(metrics.psnr(image, decoded), 4)
    return row | {"bytes": len(data), "psnr_db": psnr, "seconds": round(seconds, 2)}


def size_percent(parameters: int, height: int, width: int, channels: int) -> float:
    """Give the size of the weights in percent of the raw image (figure 5.1)."""
    return round(100 * parameters * BITS / (height * width * channels * 8), 3)
