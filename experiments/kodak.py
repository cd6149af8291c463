"""Find the photos of the Kodak set, or any other image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from dfm import cache, image

NAMES = tuple(f"kodim{i:02d}" for i in range(1, 25))
SIX = (4, 8, 13, 15, 20, 23)


def folder() -> Path:
    """Give the folder of the set: `kodak` in $DFM_DATA, else in ~/.cache/dfm."""
    return cache.root() / "kodak"


def paths(numbers: Sequence[int]) -> list[Path]:
    """Find photos of the set by their numbers.

    Raises:
        OSError: one is absent.
        ValueError: a number is not 1 to 24.
    """
    wrong = [n for n in numbers if not 1 <= n <= len(NAMES)]
    if wrong:
        raise ValueError(f"Kodak has no photo {wrong[0]}; choose 1 to {len(NAMES)}")
    found = [folder() / f"{NAMES[n - 1]}.png" for n in numbers]
    for path in found:
        if not path.exists():
            raise FileNotFoundError(
                f"{path} is absent; save the photos of https://r0k.us/graphics/kodak/ there, "
                "or set DFM_DATA to a folder that holds kodak/"
            )
    return found


def read(name: str) -> UInt8[np.ndarray, "h w *c"]:
    """Read a photo of the set by its name, kodim01 to kodim24, and any other image by its path.

    Raises:
        OSError: there is no such file.
        ValueError: it is no image.
    """
    if name not in NAMES:
        return image.read(name)
    return image.read(*paths([NAMES.index(name) + 1]))


def crop(name: str, side: int) -> UInt8[np.ndarray, "s s *c"]:
    """Cut a square of `side` pixels from the middle of a photo.

    Raises:
        OSError: there is no such file.
        ValueError: it is no image, or is smaller.
    """
    pixels = read(name)
    height, width = pixels.shape[:2]
    if min(height, width) < side:
        raise ValueError(f"{name} has {width} x {height} pixels; choose side up to {min(height, width)}")
    top, left = (height - side) // 2, (width - side) // 2
    return np.ascontiguousarray(pixels[top : top + side, left : left + side])
