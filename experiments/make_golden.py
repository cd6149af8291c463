"""Write the golden files: small .dfm files and their pixels, which every later version must decode alike.

    python -m experiments.make_golden FOLDER

Existing files stay as they are: what a released version wrote never changes. The coefficients, or the
latents and the changes of base networks, are random, so that small files reach every part of the format.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

import dfm
from dfm import container, fourier
from dfm.codecs.coordinate import payload
from dfm.codecs.coordinate.shape import Shape
from dfm.codecs.latent import grids, weight_changes, weights
from dfm.codecs.latent import payload as latent_payload

MODES = {1: "gray", 2: "gray_alpha", 3: "rgb", 4: "rgba"}


@dataclass(frozen=True, kw_only=True)
class Coordinate:
    """Describe a random network of the coordinate codec and the size of its image.

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


@dataclass(frozen=True, kw_only=True)
class Latent:
    """Describe random latents, random changes of base networks, and the size of their image.

    Attributes:
        size: width and height in pixels.
        base: number of the base networks, changed or not; those of alpha, if any, are not.
        large: scale of the latents.
        opaque: whether alpha is 255 everywhere.
    """

    size: tuple[int, int]
    channels: int
    base: int
    changed: bool = True
    large: float = 1.0
    opaque: bool = False

    @property
    def name(self) -> str:
        """Name the case after its settings."""
        w, h = self.size
        words = [f"base{self.base}", *["changed"] * self.changed, *["opaque"] * self.opaque]
        return f"v{container.VERSION}_late_{MODES[self.channels]}_{w}x{h}_{'_'.join(words)}"

    def file(self, seed: int) -> bytes:
        """Give the bytes of the file."""
        random = np.random.default_rng(seed)
        data = self._stream(random, changed=self.changed)
        if self.channels in (2, 4):
            alpha = b"" if self.opaque else self._stream(random, changed=False)
            data = container.varint(len(data)) + data + alpha
        width, height = self.size
        header = container.Header(codec="late", width=width, height=height, channels=self.channels)
        return container.pack(header, data)

    def _stream(self, random: np.random.Generator, *, changed: bool) -> bytes:
        base, size = weights.base(self.base), self.size[::-1]
        symbols = {
            grid: np.rint(random.laplace(0, self.large, grid.size(*size))).astype(np.int64)
            for grid in grids.order(base.finest)
        }
        return latent_payload.pack(self.base, _changes(random, base) if changed else None, symbols, size)


def _changes(random: np.random.Generator, base: weights.Base) -> weight_changes.Changes:
    """Draw changes as large as the directions expect them."""
    step = int(random.integers(14, 20))
    unit = weight_changes.step_of(step)
    integers = {
        group: np.rint(random.laplace(0, weight_changes.spread(along) / unit)).astype(np.int64)
        for group, along in base.directions.items()
    }
    return weight_changes.Changes(step=step, wider=weight_changes.wider_of(unit), integers=integers)


CASES: tuple[Coordinate | Latent, ...] = (
    Coordinate(size=(1, 1), channels=3, depth=1, width=2),
    Coordinate(size=(1, 29), channels=1, depth=2, width=3),
    Coordinate(size=(31, 1), channels=4, depth=3, width=2),
    Coordinate(size=(24, 16), channels=1, depth=2, width=4),
    Coordinate(size=(16, 24), channels=2, depth=4, width=3),
    Coordinate(size=(48, 32), channels=3, depth=3, width=4),
    Coordinate(size=(33, 17), channels=4, depth=2, width=5),
    Coordinate(size=(24, 16), channels=3, depth=16, width=2),
    Coordinate(size=(16, 12), channels=3, depth=1, width=10, coarse=5.0, large=3.0),
    Coordinate(size=(20, 15), channels=2, depth=5, width=2, coarse=1e-4),
    Coordinate(size=(20, 15), channels=3, depth=2, width=3, large=1e4),
    Coordinate(size=(12, 20), channels=4, depth=1, width=4, coarse=0.1, large=30.0),
    Coordinate(size=(24, 16), channels=1, depth=2, width=2, coarse=None),
    Coordinate(size=(24, 16), channels=2, depth=1, width=3, coarse=None),
    Coordinate(size=(24, 16), channels=3, depth=3, width=3, coarse=None),
    Coordinate(size=(16, 24), channels=4, depth=2, width=2, coarse=None, large=20.0),
    Latent(size=(1, 1), channels=3, base=0),
    Latent(size=(29, 1), channels=1, base=1),
    Latent(size=(24, 17), channels=3, base=2),
    Latent(size=(17, 24), channels=3, base=3),
    Latent(size=(20, 12), channels=4, base=4),
    Latent(size=(12, 20), channels=2, base=0, changed=False),
    Latent(size=(16, 9), channels=4, base=2, opaque=True),
    Latent(size=(9, 16), channels=3, base=4, changed=False, large=300.0),
    Latent(size=(19, 11), channels=3, base=5),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the cases that a folder lacks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="such as tests/golden")
    folder = parser.parse_args(arguments).folder
    for seed, case in enumerate(CASES):
        path = folder / f"{case.name}.dfm"
        if not path.exists():
            data = case.file(seed)
            path.write_bytes(data)
            Image.fromarray(dfm.decode(data)).save(path.with_suffix(".png"))
            print(f"{path.name}  {len(data)} bytes")


if __name__ == "__main__":
    main()
