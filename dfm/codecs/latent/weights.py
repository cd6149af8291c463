"""List the weights of the networks, and read the base networks of the decoder (docs/format.md)."""

import functools
import importlib.resources
import os
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float16, Int64

from dfm.codecs.latent import grids
from dfm.container import FormatError

BITS = 12  # of the fraction of a weight
LARGEST = 2**15 - 1  # of a weight, in units of 2^-12
BASES = 6
FEATURES = 8  # of the coarser grids, which the context model sees beside the neighbors
INPUTS = len(grids.NEIGHBORS) + FEATURES
COLORS = 12  # of four pixels
PHASES = 5  # of each Fourier layer of the synthesis
FOURIER_UNIT = 41, 10  # 41 * 2^-10, near 1 / (2 pi 2^2), of a coefficient of a Fourier layer

Integers = dict[str, Int64[np.ndarray, "..."]]
Matrix = TypeVar("Matrix", bound=Any)  # of NumPy or JAX


@dataclass(frozen=True, kw_only=True)
class Directions:
    """Hold along which directions a group of weights, joined to a matrix, changes from file to file.

    A change is left @ q @ right.T of integers q, which all matter alike. They are made from the curvature of
    the loss (K-FAC: Martens and Grosse, 2015) and from what changed in fits to many crops.

    Attributes:
        left: directions of the rows.
        right: directions of the columns.
        shift: the products are in units of 2^-shift.
        spread: 64 + 8 log2 of the mean magnitude of q times the step.
    """

    left: Int64[np.ndarray, "m m"]
    right: Int64[np.ndarray, "n n"]
    shift: int
    spread: Int64[np.ndarray, "m n"]


@dataclass(frozen=True)
class Base:
    """Hold the networks that files refer to.

    Attributes:
        finest: octave of the finest grid.
        lambda_: for which the networks were trained.
        weights: in units of 2^-12.
        directions: of each group.
        analysis: of the network that guesses latents, for encoders.
    """

    finest: int
    lambda_: float
    weights: Integers
    directions: dict[str, Directions]
    analysis: dict[str, Float16[np.ndarray, "..."]]


def shapes(finest: int) -> dict[str, tuple[int, ...]]:
    """Give the shape of each weight, in the order of the file, for grids of the octaves `finest` to 6."""
    listed = grids.order(finest)
    out: dict[str, tuple[int, ...]] = {
        "context.grids": (len(listed), INPUTS),
        "context.1": (INPUTS, INPUTS),
        "context.1.bias": (INPUTS,),
        "context.2": (INPUTS, INPUTS),
        "context.2.bias": (INPUTS,),
        "context.3": (2, INPUTS),
        "context.skip": (2, INPUTS),
        "context.3.bias": (2,),
    }
    for octave in range(finest, grids.COARSEST):
        out[f"features.{octave}"] = 4 * FEATURES, 8 + sum(g.octave > octave for g in listed)
        out[f"features.{octave}.bias"] = (4 * FEATURES,)
    out["upsampling"] = out["sharpening"] = grids.COARSEST - 1, 4
    for block, inputs in (("synthesis.1", grids.COARSEST + 4 * (finest == 0)), ("synthesis.2", COLORS)):
        out[block] = COLORS + PHASES, 9 * inputs
        out[f"{block}.bias"] = (COLORS + PHASES,)
        out[f"{block}.fourier"] = 2 * 2**PHASES - 1, COLORS
    return out


def groups(finest: int) -> dict[str, tuple[str, ...]]:
    """Name the weights that are joined, side by side, to the matrix of each group, in the file's order."""
    out: dict[str, tuple[str, ...]] = {}
    for name in shapes(finest):
        group = "context.3" if name == "context.skip" else name.removesuffix(".bias")
        out[group] = *out.get(group, ()), name
    return out


def shapes_of_groups(finest: int) -> dict[str, tuple[int, int]]:
    """Give the shape of the matrix of each group."""
    of = shapes(finest)
    return {
        group: (of[names[0]][0], sum(_columns(of[name]) for name in names))
        for group, names in groups(finest).items()
    }


def parted(group: str, matrix: Matrix, finest: int) -> dict[str, Matrix]:
    """Part the matrix of a group into its weights."""
    out, at, of = {}, 0, shapes(finest)
    for name in groups(finest)[group]:
        to = at + _columns(of[name])
        out[name], at = matrix[:, at:to].reshape(of[name]), to
    return out


def _columns(shape: tuple[int, ...]) -> int:
    return 1 if len(shape) == 1 else shape[1]


@functools.cache
def base(number: int) -> Base:
    """Read the base networks of a number.

    Raises:
        FormatError: this version has none of that number.
    """
    if number not in range(BASES):
        raise FormatError(f"the file needs the base networks {number}, which this version lacks; update dfm")
    with importlib.resources.as_file(importlib.resources.files(__package__) / f"base/{number}.npz") as path:
        return read(path)


def read(path: str | os.PathLike[str]) -> Base:
    """Read base networks from a file."""
    with np.load(path) as data:
        finest = int(data["finest"])
        return Base(
            finest=finest,
            lambda_=float(data["lambda"]),
            weights={name: data[f"base/{name}"].astype(np.int64) for name in shapes(finest)},
            directions={
                group: Directions(
                    left=data[f"left/{group}"].astype(np.int64),
                    right=data[f"right/{group}"].astype(np.int64),
                    shift=int(data[f"shift/{group}"]),
                    spread=data[f"spread/{group}"].astype(np.int64),
                )
                for group in groups(finest)
            },
            analysis={
                name.removeprefix("analysis/"): data[name] for name in data if name.startswith("analysis/")
            },
        )
