"""Compress one image into latent grids, a context model and Fourier layers, all fitted to it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from dfm import container, rate
from dfm.codecs import _pillow
from dfm.codecs.latent import exact_context, exact_synthesis, payload, weight_changes

__all__ = ["PRESETS", "Config", "decode", "describe", "encode", "stream"]

_WEIGHED = {"LA": "La", "RGBA": "RGBa"}  # the modes in which alpha weighs colors
_ALPHA_SHARE = 4  # of the bytes, one part goes to alpha at most


@dataclass(frozen=True, kw_only=True)
class Config:
    """Say how latents and changes of the weights are fitted.

    Attributes:
        steps: of all pixels, twice as many for networks without octave 0, where each takes half the time;
            with 0, the guess of the analysis network is the file.
        latent_rate: learning rate of latents, in 16 symbols, at first.
        weight_rate: learning rate of changes of the weights, by the square root of their spread, at first.
        price: of a bit of changes of the weights; 2 in place of 1 takes a third off their bytes in small
            files, for 0.3 % more loss.
    """

    steps: int
    latent_rate: float = 1e-2
    weight_rate: float = 3e-2
    price: float = 2.0


PRESETS = {
    "instant": Config(steps=0),
    "fast": Config(steps=200),
    "balanced": Config(steps=1500, price=1.0),
    "best": Config(steps=10_000, price=1.0),
}


def encode(
    image: UInt8[np.ndarray, "h w c"],
    config: Config,
    target: rate.Target,
    *,
    seed: int,
    progress: Callable[[float, str], None],
) -> bytes:
    """Fit latents and weights to `image` and give its payload; `target` counts the bytes of it alone.

    Raises:
        ValueError: the target is out of this codec's reach.
    """
    from dfm.codecs.latent import search  # jax, which the decoder does without

    def coded(planes: UInt8[np.ndarray, "h w n"], target: rate.Target) -> bytes:
        wide = np.ascontiguousarray(np.broadcast_to(planes, (*planes.shape[:2], 3)))
        return search.encode(wide, config, target, seed=seed, notify=progress)

    if image.shape[2] in (1, 3):
        return coded(image, target)
    colors, alpha = image[:, :, :-1], image[:, :, -1:]
    second = b"" if alpha.min() == 255 else _alpha(lambda aim: coded(alpha, aim), target)
    left = target
    if target.max_bytes is not None:
        overhead = len(container.varint(target.max_bytes))
        left = rate.Target(max_bytes=target.max_bytes - len(second) - overhead)
    first = coded(colors, left)
    return container.varint(len(first)) + first + second


def decode(
    data: bytes,
    header: container.Header,
    *,
    size: tuple[int, int],
    region: tuple[int, int, int, int],
) -> UInt8[np.ndarray, "h w c"]:
    """Decode `region` (x, y, width, height) of the image resampled to `size`."""
    own = header.height, header.width
    colors, alpha = _streams(data, header)
    x, y, width, height = region
    resampled = size != (header.width, header.height)
    rows = (0, header.height) if resampled else (y, y + height)
    planes = [_colored(stream(colors, own, rows), header.channels <= 2)]
    if alpha is not None:
        opaque = np.full((rows[1] - rows[0], header.width, 1), 255, np.uint8)
        planes.append(_colored(stream(alpha, own, rows), True) if alpha else opaque)
    image = np.concatenate(planes, axis=2)
    if resampled:
        return _resampled(image, size, region)
    return np.ascontiguousarray(image[:, x : x + width])


def describe(data: bytes, header: container.Header) -> dict[str, Any]:
    """Tell which base networks a payload changes, how much, and how its bytes part."""
    colors, alpha = _streams(data, header)
    parts = payload.unpack(colors)
    weight_bytes = 1 + round(weight_changes.bits(parts.base, parts.changes) / 8)
    return {
        "base": parts.number,
        "lambda": parts.base.lambda_,
        "changed": sum(map(np.count_nonzero, parts.changes.integers.values())) if parts.changes else 0,
        "alpha": None if alpha is None else len(alpha),
        "split": {"weights": weight_bytes, "latents": len(data) - weight_bytes},
    }


def stream(data: bytes, size: tuple[int, int], rows: tuple[int, int]) -> UInt8[np.ndarray, "h w 3"]:
    """Decode `rows` (from, to) of the stream of three colors of an image of `size` (height, width).

    Raises:
        FormatError: the data are damaged.
    """
    parts = payload.unpack(data)
    symbols = exact_context.decode(parts.decoder, parts.weights, parts.base.finest, size)
    return exact_synthesis.image(parts.weights, symbols, size, rows)


def _alpha(coded: Callable[[rate.Target], bytes], target: rate.Target) -> bytes:
    """Give the stream of alpha, which has a share of the bytes.

    Raises:
        ValueError: the target is out of reach.
    """
    from dfm.codecs.latent import deadzone  # jax, as above

    if target.max_bytes is None:
        return coded(target)
    try:
        return coded(rate.Target(max_bytes=max(1, target.max_bytes // _ALPHA_SHARE)))
    except deadzone.OutOfReach as error:
        raise ValueError(
            "the bytes are too few for this image, of which alpha has a quarter; "
            f"allow {_ALPHA_SHARE * error.missing} more"
        ) from error


def _streams(data: bytes, header: container.Header) -> tuple[bytes, bytes | None]:
    if header.channels in (1, 3):
        return data, None
    length, at = container.read_varint(data, 0)
    if at + length > len(data):
        raise container.FormatError(f"the stream of colors is cut; {container.DAMAGED}")
    return data[at : at + length], data[at + length :]


def _colored(image: UInt8[np.ndarray, "h w 3"], gray: bool) -> UInt8[np.ndarray, "h w n"]:
    if not gray:
        return image
    return np.asarray((image.sum(axis=2, keepdims=True, dtype=np.int64) + 1) // 3, np.uint8)


def _resampled(
    image: UInt8[np.ndarray, "h w c"], size: tuple[int, int], region: tuple[int, int, int, int]
) -> UInt8[np.ndarray, "hh ww c"]:
    """Give `region` of the image at `size`, to the bit, and make little more of that than needed.

    Columns are made first, then rows: Pillow would choose by the size of what it makes.
    """
    x, y, width, height = region
    picture = _pillow.picture(image)
    mode = picture.mode
    picture = picture.convert(_WEIGHED.get(mode, mode))
    across, down = _aligned(x, width, picture.width, size[0]), _aligned(y, height, picture.height, size[1])
    tall, (left, right), (top, bottom) = picture.height, across.source, down.source
    columns = picture.resize((across.length, tall), Image.Resampling.LANCZOS, (left, 0, right, tall))
    columns = columns.crop((across.before, 0, across.before + width, tall))
    rows = columns.resize((width, down.length), Image.Resampling.LANCZOS, (0, top, width, bottom))
    cut = np.asarray(rows.convert(mode))[down.before :][:height]
    return np.ascontiguousarray(cut.reshape(height, width, -1))


class _Window(NamedTuple):
    """Hold how many pixels are made, which pixels of the image they show, and how many come too early."""

    length: int
    source: tuple[int, int]
    before: int


def _aligned(start: int, length: int, own: int, whole: int) -> _Window:
    """Widen a range of a side of `whole` pixels until both ends lie on edges of the image's `own` pixels."""
    common = math.gcd(own, whole)
    step, pixels = whole // common, own // common
    first, last = start // step, -(-(start + length) // step)
    return _Window((last - first) * step, (first * pixels, last * pixels), start - first * step)
