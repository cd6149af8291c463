"""Choose the width and depth of a coordinate network."""

import math
from dataclasses import dataclass

WIDTHS = range(2, 11)
DEPTHS = range(1, 17)

_DEPTH = 7  # of as many weights, shallower networks fit worse, and deeper ones collapse at times


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Hold the number of hidden activations, `depth` layers of `width`, and of channels."""

    width: int
    depth: int
    channels: int

    @property
    def widths(self) -> list[int]:
        """List the dimensions from position to colors."""
        return [2, *[self.width] * self.depth, self.channels]

    @property
    def layers(self) -> list[tuple[int, int]]:
        """List the shapes of the coefficients: 2 * 2^m - 1 basis functions, n outputs."""
        return [(2 * 2**m - 1, n) for m, n in zip(self.widths[:-1], self.widths[1:], strict=True)]

    @property
    def parameters(self) -> int:
        """Count the coefficients."""
        return sum(f * n for f, n in self.layers)


def choose(parameters: float, channels: int) -> Shape:
    """Find the network of about so many coefficients whose depth is nearest to 7."""
    shapes = [
        min((Shape(width=w, depth=d, channels=channels) for d in DEPTHS), key=lambda s: _off(s, parameters))
        for w in WIDTHS
    ]
    return min(shapes, key=lambda s: 4 * _off(s, parameters) + abs(math.log2(s.depth / _DEPTH)))


def largest(parameters: float, channels: int) -> Shape | None:
    """Find the network with most coefficients, but no more than so many, if there is one."""
    shapes = (Shape(width=w, depth=d, channels=channels) for w in WIDTHS for d in DEPTHS)
    return max((s for s in shapes if s.parameters <= parameters), key=lambda s: s.parameters, default=None)


def _off(shape: Shape, parameters: float) -> float:
    return abs(math.log2(shape.parameters / parameters))
