"""Cut random squares out of a folder of photos."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

HELD_OUT = 8  # photos, the first, that trainings do not see

Photos = list[UInt8[np.ndarray, "_h _w 3"]]


def read(folder: Path) -> Photos:
    """Read all photos of a folder, in an order shuffled by a fixed seed."""
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".webp", ".png"))
    order = np.random.default_rng(0).permutation(len(paths))
    return [np.asarray(Image.open(paths[i]).convert("RGB")) for i in order]


def sample(
    random: np.random.Generator, photos: Photos, count: int, side: int, enlarged: float = 0.0
) -> UInt8[np.ndarray, "count 3 side side"]:
    """Cut squares from photos that count by their area, mirrored at random, some enlarged up to twice.

    Raises:
        ValueError: no photo is as large as a square.
    """
    photos = [photo for photo in photos if min(photo.shape[:2]) >= side]
    if not photos:
        raise ValueError(f"no photo is as large as {side}x{side}; give larger ones or a smaller crop")
    crops = []
    areas = np.array([photo.shape[0] * photo.shape[1] for photo in photos], float)
    for i in random.choice(len(photos), count, p=areas / areas.sum()):
        cut = round(side / random.uniform(1, 2)) if random.random() < enlarged else side
        y, x = (random.integers(length - cut + 1) for length in photos[i].shape[:2])
        crop = photos[i][y : y + cut, x : x + cut, :]
        if cut < side:
            crop = np.asarray(Image.fromarray(crop).resize((side, side), Image.Resampling.BICUBIC))
        crops.append(crop[:, :: random.choice([-1, 1])].transpose(2, 0, 1))
    return np.stack(crops)
