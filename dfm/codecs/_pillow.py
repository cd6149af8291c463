"""Carry arrays through Pillow's formats in memory."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

_KINDS = {1: "gray", 2: "gray with alpha", 3: "RGB", 4: "RGBA"}


def save(
    image: UInt8[np.ndarray, "h w c"], format_: str, channels: Sequence[int], options: Mapping[str, Any]
) -> bytes:
    """Give the bytes of `image` as a file of Pillow's `format_`, which holds images of so many `channels`.

    Raises:
        ValueError: the format cannot hold the image, or this Pillow was built without it.
    """
    if image.shape[2] not in channels:
        kinds = " or ".join(_KINDS[c] for c in channels)
        raise ValueError(f"Pillow's {format_} has no {_KINDS[image.shape[2]]}; give {kinds}")
    buffer = io.BytesIO()
    try:
        picture(image).save(buffer, format_, **options)
    except KeyError as error:
        raise ValueError(f"this Pillow writes no {format_}; install Pillow's own wheel") from error
    except (OSError, RuntimeError, ValueError) as error:
        size = f"{image.shape[1]} x {image.shape[0]}"
        raise ValueError(f"{format_} cannot hold this image of {size} pixels: {error}") from error
    return buffer.getvalue()


def picture(image: UInt8[np.ndarray, "h w c"]) -> Image.Image:
    """Give an image as Pillow holds it; gray ones have no axis of channels there."""
    return Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)


def load(data: bytes, format_: str) -> UInt8[np.ndarray, "h w c"]:
    """Decode a file of Pillow's `format_`.

    Raises:
        ValueError: `data` are no such file, or are damaged.
    """
    try:
        with Image.open(io.BytesIO(data), formats=[format_]) as picture:
            pixels: UInt8[np.ndarray, "h w *c"] = np.asarray(picture)
    except Exception as error:  # damaged files make Pillow's readers raise nearly every kind
        raise ValueError(f"this is no {format_} file, or a damaged one; get it again") from error
    return pixels.reshape(*pixels.shape[:2], -1)


def check(name: str, value: object, allowed: Sequence[object]) -> None:
    """Raise a ValueError unless `value` is one of `allowed`, whose ranges are told by their ends."""
    if value not in allowed:
        listed = (
            f"{allowed[0]} to {allowed[-1]}" if isinstance(allowed, range) else ", ".join(map(str, allowed))
        )
        raise ValueError(f"{name} is {value}; choose {listed}")
