"""Write the golden files: small .dfm files and their pixels, which every later version must decode alike.

    python -m experiments.make_golden tests/golden

Existing files stay as they are: what a released version wrote never changes. The networks are random, so that
small files reach every part of the format; `large` of a case scales the coefficients.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

import dfm
from dfm import container, fourier
from dfm.codecs.coordinate import payload
from dfm.codecs.coordinate.shape import Shape

MODES = {1: "gray", 2: "gray_alpha", 3: "rgb", 4: "rgba"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """Describe a random network and the size of its image.

    Attributes:
        size: width and height in pixels.
        coarse: quantization step in deviations of a coefficient; None stores float32.
        large: deviation of the coefficients, relative to one that keeps the network smooth.
    """

    size: tuple[int, int]
    channels: int
    depth: int
    width: int
    coarse: float | None = 0.5
    large: float = 1.0

    @property
    def name(self) -> str:
        """Name the case after its settings, the network as depth `of` width."""
        storage = "float32" if self.coarse is None else "coded"
        w, h = self.size
        return (
            f"v{container.VERSION}_coor_{MODES[self.channels]}_{w}x{h}_{self.depth}of{self.width}_{storage}"
        )

    def file(self, seed: int) -> bytes:
        """Give the bytes of the file."""
        random = np.random.default_rng(seed)
        shape = Shape(width=self.width, depth=self.depth, channels=self.channels)
        units = [self.large * fourier.scale(f.bit_length() - 1) for f, _ in shape.layers]
        layers = [random.laplace(0, u, layer) for u, layer in zip(units, shape.layers, strict=True)]
        if self.coarse is None:
            data = payload.pack_float32(shape, layers)
        else:
            steps = [self.coarse * u * 2.0 ** random.uniform(-1, 1) for u in units]
            data = payload.pack(shape, payload.quantize(layers, steps))
        width, height = self.size
        header = container.Header(codec="coor", width=width, height=height, channels=self.channels)
        return container.pack(header, data)


CASES = (
    Case(size=(1, 1), channels=3, depth=1, width=2),
    Case(size=(1, 29), channels=1, depth=2, width=3),
    Case(size=(31, 1), channels=4, depth=3, width=2),
    Case(size=(24, 16), channels=1, depth=2, width=4),
    Case(size=(16, 24), channels=2, depth=4, width=3),
    Case(size=(48, 32), channels=3, depth=3, width=4),
    Case(size=(33, 17), channels=4, depth=2, width=5),
    Case(size=(24, 16), channels=3, depth=16, width=2),
    Case(size=(16, 12), channels=3, depth=1, width=10, coarse=5.0, large=3.0),
    Case(size=(20, 15), channels=2, depth=5, width=2, coarse=1e-4),
    Case(size=(20, 15), channels=3, depth=2, width=3, large=1e4),
    Case(size=(12, 20), channels=4, depth=1, width=4, coarse=0.1, large=30.0),
    Case(size=(24, 16), channels=1, depth=2, width=2, coarse=None),
    Case(size=(24, 16), channels=2, depth=1, width=3, coarse=None),
    Case(size=(24, 16), channels=3, depth=3, width=3, coarse=None),
    Case(size=(16, 24), channels=4, depth=2, width=2, coarse=None, large=20.0),
)


def main(folder: str) -> None:
    """Write the cases that `folder` lacks."""
    for seed, case in enumerate(CASES):
        path = Path(folder) / f"{case.name}.dfm"
        if not path.exists():
            data = case.file(seed)
            path.write_bytes(data)
            Image.fromarray(dfm.decode(data)).save(path.with_suffix(".png"))
            print(f"{path.name}  {len(data)} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
