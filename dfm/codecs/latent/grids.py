"""Lay out the latent grids: one an octave, and hyper-latents, which only the context model sees."""

from dataclasses import dataclass

COARSEST = 6
HYPER = (6, 5, 4)  # octaves of the hyper-latents, in the order of coding

# Causal neighbors (dy, dx), nearest first. All lie on earlier wavefronts x + 2 y; that keeps (-1, 2) out.
NEIGHBORS = (
    (0, -1),
    (-1, 0),
    (-1, -1),
    (-1, 1),
    (0, -2),
    (-2, 0),
    (-1, -2),
    (-2, -1),
    (-2, 1),
    (-2, -2),
    (-2, 2),
    (0, -3),
)
SLANT = 2
REACH = 3  # rows and columns at most to a neighbor


@dataclass(frozen=True)
class Grid:
    """Name a grid by its octave, and say whether it is a hyper-latent."""

    octave: int
    hyper: bool = False

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Give the (height, width) of the grid of an image."""
        return -(-height >> self.octave), -(-width >> self.octave)


def order(finest: int) -> tuple[Grid, ...]:
    """List the grids of octaves `finest` to 6 in the order of coding: from coarse to fine."""
    grids = []
    for octave in range(COARSEST, finest - 1, -1):
        if octave in HYPER:
            grids.append(Grid(octave, hyper=True))
        grids.append(Grid(octave))
    return tuple(grids)
