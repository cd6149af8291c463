"""Hold what a loss sees of a data set."""

from typing import NamedTuple

from jaxtyping import Array, Float, Int


class Batch(NamedTuple):
    """Hold images in [0, 1], their classes, and their places in the training set."""

    images: Float[Array, "b h w c"]
    labels: Int[Array, " b"]
    indices: Int[Array, " b"]
