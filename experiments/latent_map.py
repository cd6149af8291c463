"""Draw the map of a model with two latents: python -m experiments.latent_map DIR [--out DIR]

map.png: images of latents at even quantiles of N(0, 1) each way (Kingma and Welling, ICLR 2014, figure 4).
codes.png: where the test images lie, by class.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from dfm import image
from experiments import command, latents, pictures, run

_SIDE = 20


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Draw both."""
    parser = command.of_training(__doc__)
    parser.add_argument("--out", metavar="DIR", help="gets the pictures; default: samples in the folder")
    given = parser.parse_args(arguments)
    place = Path(given.out or Path(given.run) / "samples")
    training = run.open(given.run)
    model, test = training.model(), training.images.test
    codes = latents.encode(model, test.images)
    if codes.shape[1:] != (2,):
        raise ValueError(
            f"{given.run} has latents of {codes.shape[1:]}; train with settings.latent=2 for a map"
        )
    place.mkdir(parents=True, exist_ok=True)
    image.write(place / "map.png", pictures.grid(latents.decode(model, quantiles(_SIDE)), _SIDE))
    scatter(codes, test.labels, place / "codes.png")
    print(place / "map.png", place / "codes.png", sep="\n")


def quantiles(side: int) -> Float[np.ndarray, "n 2"]:
    """Give `side` rows of `side` latents; coordinates halve equal shares of N(0, 1)."""
    from scipy import stats

    line = stats.norm.ppf((np.arange(side) + 0.5) / side).astype(np.float32)
    return np.stack(np.meshgrid(line, -line), axis=-1).reshape(-1, 2)


def scatter(codes: Float[np.ndarray, "n 2"], labels: Int[np.ndarray, " n"], path: Path) -> None:
    """Draw a point for each code, colored by its class."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.subplots()
    points = axes.scatter(codes[:, 0], codes[:, 1], c=labels, s=2, cmap="tab10", vmin=-0.5, vmax=9.5)
    figure.colorbar(points, label="class", ticks=range(10))
    axes.set(xlabel="z1", ylabel="z2", aspect="equal")
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main()
