"""Encode arrays into the bytes of .dfm files, decode them, and tell what they hold."""

import operator
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import UInt8

from dfm import codecs, container, rate, registry, viewport

SEEDS = range(2**32)

Progress = Callable[[float, str], None]


def encode(
    image: UInt8[np.ndarray, "h w *c"],
    codec: str = "latent",
    preset: str = "balanced",
    *,
    lambda_: float | None = None,
    max_bpp: float | None = None,
    max_bytes: int | None = None,
    min_psnr: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> bytes:
    """Encode an image into the bytes of a .dfm file.

    Give at most one of `lambda_`, `max_bpp`, `max_bytes` and `min_psnr`.

    Args:
        image: uint8, [H, W] gray or [H, W, C] with C = 1 (gray), 2 (gray, alpha), 3 (RGB) or 4 (RGBA).
        codec: a file of dfm/codecs that makes .dfm files.
        preset: one of the codec's presets, which trade time for quality: fast, balanced, best and others.
        lambda_: minimize MSE + lambda_ * bits per pixel, for pixels in [0, 1]; the default, with 1e-3.
        max_bpp: the file has at most so many bits per pixel.
        max_bytes: the file has at most so many bytes.
        min_psnr: the decoded image has at least this PSNR, in dB over all channels.
        seed: of all random choices, 0 to 2^32 - 1.
        progress: called with the fraction done, 0 to 1, and a word on the present step.

    Raises:
        MemoryError: the device has too little memory for an image of this size.
        TypeError: `image` is no NumPy array, or `seed` no integer.
        ValueError: an argument is out of its range, or the codec cannot reach the target.
    """
    pixels = _checked(image)
    module = _codec(codec)
    if preset not in module.PRESETS:
        raise ValueError(f"{codec} has no preset {preset!r}; choose one of {', '.join(module.PRESETS)}")
    seed = operator.index(seed)
    if seed not in SEEDS:
        raise ValueError(f"seed is {seed}; choose an integer from 0 to {SEEDS[-1]}")
    height, width, channels = pixels.shape
    header = container.Header(codec=codec[:4], width=width, height=height, channels=channels)
    target = rate.target(
        width * height, lambda_=lambda_, max_bpp=max_bpp, max_bytes=max_bytes, min_psnr=min_psnr
    )
    asked = module.PRESETS[preset], _of_payload(target, header)
    try:
        payload = module.encode(pixels, *asked, seed=seed, progress=progress or _ignore)
    except RuntimeError as error:  # XLA's, which this file does not import
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise MemoryError(f"{width}x{height} pixels need more memory than the device has") from error
    return container.pack(header, payload)


def decode(
    data: bytes,
    *,
    size: tuple[int, int] | None = None,
    scale: float | None = None,
    region: tuple[int, int, int, int] | None = None,
    max_pixels: int = container.MAX_PIXELS,
) -> UInt8[np.ndarray, "h w *c"]:
    """Decode the bytes of a .dfm file, at its own size the same on every machine, or at any other.

    At another size, a `coordinate` file is evaluated there, and a `latent` one resampled by Pillow.

    Args:
        data: what `encode` gave.
        size: (width, height) of the whole image in pixels, in place of its own.
        scale: factor on width and height, in place of `size`; rounded to whole pixels, at least 1.
        region: (x, y, width, height) of the part to decode, in pixels of the image at that size.
        max_pixels: the most pixels that the file may declare and the result may have.

    Returns:
        The image in the shape that was encoded: [H, W, C], or [H, W] for gray, even if it came as [H, W, 1].

    Raises:
        FormatError: the data are no .dfm file, are damaged, or declare more than `max_pixels` pixels.
        ValueError: `size`, `scale` or `region` is out of its range.
    """
    header, payload = container.unpack(data, max_pixels)
    module = _codec_of(header)
    whole, part = viewport.resolve(header, size, scale, region, max_pixels)
    image: UInt8[np.ndarray, "h w c"] = module.decode(payload, header, size=whole, region=part)
    return image[:, :, 0] if header.channels == 1 else image


def info(data: bytes) -> dict[str, Any]:
    """Tell what a .dfm file holds without decoding its pixels.

    Returns:
        codec, width, height, channels, bytes, bpp (bits per pixel of the whole file), split (bytes of header
        with checksum, of weights, of latents), network (facts that the codec adds).

    Raises:
        FormatError: the data are no .dfm file or are damaged.
    """
    header, payload = container.unpack(data, max_pixels=container.MAX_SIDE**2)
    module = _codec_of(header)
    facts = dict(module.describe(payload, header))
    split = {"weights": len(payload), "latents": 0} | facts.pop("split", {})
    return {
        "codec": module.__name__.rpartition(".")[2],
        "width": header.width,
        "height": header.height,
        "channels": header.channels,
        "bytes": len(data),
        "bpp": 8 * len(data) / (header.width * header.height),
        "split": {"header": len(data) - sum(split.values())} | split,
        "network": facts,
    }


def presets(codec: str) -> list[str]:
    """List the presets of a codec.

    Raises:
        ValueError: there is no such codec, or it makes no .dfm files.
    """
    return list(_codec(codec).PRESETS)


def _checked(image: UInt8[np.ndarray, "h w *c"]) -> UInt8[np.ndarray, "h w c"]:
    """Give `image` as [H, W, C] after checking all that a codec relies on."""
    if not isinstance(image, np.ndarray):
        raise TypeError(f"image is a {type(image).__name__}; give a NumPy array of uint8")
    if image.dtype != np.uint8:
        raise ValueError(f"image is of {image.dtype}; give uint8, 0 to 255")
    pixels = image[:, :, None] if image.ndim == 2 else image
    if pixels.ndim != 3 or pixels.shape[2] not in container.CHANNELS or pixels.size == 0:
        raise ValueError(f"image has shape {image.shape}; give [H, W] or [H, W, 1 to 4], no side 0")
    count = pixels.shape[0] * pixels.shape[1]
    if count > container.MAX_PIXELS:
        raise ValueError(f"image has {count} pixels; give at most {container.MAX_PIXELS}")
    return np.ascontiguousarray(pixels)


def _of_payload(target: rate.Target, header: container.Header) -> rate.Target:
    """Leave the bytes of header and checksum out of the target."""
    if target.max_bytes is None:
        return target
    overhead = len(container.pack(header, b""))
    if target.max_bytes <= overhead:
        raise ValueError(f"{target.max_bytes} bytes are too few: header and checksum take {overhead}")
    return rate.Target(max_bytes=target.max_bytes - overhead)


def _ignore(fraction: float, text: str) -> None:
    """Show no progress."""


def _codec(name: str) -> ModuleType:
    """Import a codec of .dfm files by its name."""
    names = registry.names(codecs)
    if name in names and (module := _maker(name)):
        return module
    raise ValueError(f"{name!r} makes no .dfm files; choose one of {', '.join(filter(_maker, names))}")


def _codec_of(header: container.Header) -> ModuleType:
    for name in registry.names(codecs):
        if name[:4] == header.codec and (module := _maker(name)):
            return module
    raise container.FormatError(
        f"the file was made by a codec, {header.codec!r}, that this version does not have; update dfm"
    )


def _maker(name: str) -> ModuleType | None:
    """Import a codec, if it makes .dfm files."""
    module = registry.get(codecs, name)
    return module if hasattr(module, "PRESETS") else None
