"""Cut random squares out of a folder of photos."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

Photos = list[UInt8[np.ndarray, "_h _w 3"]]


def read(folder: Path) -> Photos:
    """Read all photos of a folder, in an order shuffled by a fixed seed."""
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".webp", ".png"))
    order = np.random.default_rng(0).permutation(len(paths))
    return [np.asarray(Image.open(paths[i]).convert("RGB")) for i in order]


def sample(
    random: np.random.Generator, photos: Photos, count: int, side: int
) -> UInt8[np.ndarray, "count 3 side side"]:
    """Cut squares, mirrored at random, from photos that count by their area."""
    crops = []
    areas = np.array([photo.shape[0] * photo.shape[1] for photo in photos], float)
    for i in random.choice(len(photos), count, p=areas / areas.sum()):
        y, x = (random.integers(length - side + 1) for length in photos[i].shape[:2])
        crop = photos[i][y : y + side, x : x + side, :]
        crops.append(crop[:, :: random.choice([-1, 1])].transpose(2, 0, 1))
    return np.stack(crops)
