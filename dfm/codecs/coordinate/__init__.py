"""Compress one image into the weights of a Fourier network of position (thesis, 4.2.1)."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from dfm import container, exact, rate
from dfm.codecs.coordinate import payload as files

__all__ = ["PRESETS", "Config", "decode", "describe", "encode"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Say how a network is fitted.

    Attributes:
        work: coefficients x points that a fit evaluates, the forward and backward pass counted as one.
        learning_rate: of Muon, at its highest.
        coded: share of the steps, the last ones, that see rounded coefficients and their rate.
        thesis: fit as the thesis does, Adam on 64 random pixels a step, and store float32.
    """

    work: float
    learning_rate: float = 0.024
    coded: float = 0.4
    thesis: bool = False

    def slower(self) -> "Config":
        """Give the same at a third of the learning rate."""
        return dataclasses.replace(self, learning_rate=self.learning_rate / 3)


PRESETS = {
    "fast": Config(work=5e10),
    "balanced": Config(work=4e11),
    "best": Config(work=2e12),
    "thesis": Config(work=1e11, learning_rate=4e-4, thesis=True),
}


def encode(
    image: UInt8[np.ndarray, "h w c"],
    config: Config,
    target: rate.Target,
    *,
    seed: int,
    progress: Callable[[float, str], None],
) -> bytes:
    """Fit a network to `image` and give its payload; `target` counts the bytes of the payload alone.

    Raises:
        ValueError: the target is out of this codec's reach.
    """
    from dfm.codecs.coordinate import search  # jax, which the decoder does without

    return search.encode(image, config, target, seed=seed, progress=progress)


def decode(
    payload: bytes,
    header: container.Header,
    *,
    size: tuple[int, int],
    region: tuple[int, int, int, int],
) -> UInt8[np.ndarray, "h w c"]:
    """Evaluate the network at the pixels of `region` (x, y, width, height) of an image of `size`."""
    _, layers, _ = files.unpack(payload, header.channels)
    x, y, width, height = region
    columns, rows = exact.positions(size[0], x, x + width), exact.positions(size[1], y, y + height)
    return exact.image(layers, columns, rows, bits=files.BITS)


def describe(payload: bytes, header: container.Header) -> dict[str, Any]:
    """Tell the shape of the network without decoding it."""
    shape, kind = files.describe(payload, header.channels)
    return {
        "width": shape.width,
        "depth": shape.depth,
        "parameters": shape.parameters,
        "storage": "float32" if kind == files.FLOAT32 else "coded",
    }
