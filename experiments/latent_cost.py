"""Count the work of one U-Net in pixels and in latents.

python -m experiments.latent_cost CONFIG [key=value ...]

A latent space of 1/s the side has 1/s^2 the places, and so has the work of a network of equal widths
(Rombach et al., CVPR 2022, 4.1). Floating point operations are those that XLA counts for one image.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array

from dfm import config as configs
from experiments import command, markdown, rows
from models.layers.unet import UNet


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose the network, and the factors to divide the sides of an image by."""

    side: int
    factors: tuple[int, ...]
    channels: int
    widths: tuple[int, ...]
    results: str = str(rows.RESULTS / "latent_cost.jsonl")


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Count what is missing, and print the table."""
    config = configs.command_line(Config, __doc__, arguments)
    made = {"side": config.side, "channels": config.channels, "widths": list(config.widths)}
    keys = [made | {"factor": factor} for factor in config.factors]
    print(table(rows.complete(config.results, keys, lambda key: measure(config, key["factor"]))))


def table(measured: Sequence[rows.Row]) -> str:
    """Lay out the work at each factor, and how many times less it is than in pixels."""
    whole = max(row["flops"] for row in measured)
    lines = [
        [
            str(row["factor"]),
            f"{row['flops'] / 1e9:.3f}",
            f"{whole / row['flops']:.2f}",
            str(row["factor"] ** 2),
        ]
        for row in measured
    ]
    return markdown.table(["s", "GFLOP an image", "times less", "s^2"], lines)


def measure(config: Config, factor: int) -> rows.Row:
    """Count the operations of the U-Net on an image of 1/factor the side.

    Raises:
        ValueError: the factor does not divide the side.
    """
    if config.side % factor:
        raise ValueError(f"factor {factor} does not divide side {config.side}; choose one that does")
    channels, side = config.channels, config.side // factor
    network = UNet(channels, channels, config.widths, "same", "nearest", "group", rngs=nnx.Rngs(0))
    return {"flops": flops(network, (1, side, side, channels))}


def flops(network: Callable[[Array], Array], shape: tuple[int, ...]) -> float:
    """Count the floating point operations of a network on an array of a shape, without running it."""
    counted: Any = jax.jit(lambda x: network(x)).lower(jnp.zeros(shape)).cost_analysis()
    return float(counted["flops"])


if __name__ == "__main__":
    main()
