"""Show what a trained model makes: python -m experiments.sample DIR [--prior NAME] [NAME.key=value ...]

Writes samples.png, reconstructions.png, interpolations.png, and, where the model decodes at any size,
sizes.png: latents at 1, 2 and 10 times the size of the training images.
"""

from collections.abc import Sequence
from pathlib import Path

from dfm import console, image, registry
from experiments import command, draws, pictures, run
from models import priors


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Write the pictures."""
    parser = command.of_training(__doc__)
    known = ["none", *registry.names(priors)]
    parser.add_argument(
        "--prior", default="none", choices=known, help="fitted on the latents; default %(default)s"
    )
    parser.add_argument("--out", metavar="DIR", help="gets the pictures; default: samples in the folder")
    parser.add_argument("--count", type=int, default=100, metavar="N", help="samples; default %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    command.add_priors(parser)
    given = parser.parse_intermixed_args(arguments)
    place = Path(given.out or Path(given.run) / "samples")
    settings = draws.settings([given.prior], given.overrides)
    training = run.open(given.run)
    model = training.model()
    place.mkdir(parents=True, exist_ok=True)
    with console.progress() as progress:
        drawn = draws.of_prior(
            training,
            model,
            given.prior,
            given.count,
            config=settings.get(given.prior),
            seed=given.seed,
            notify=progress,
        )
    shown = pictures.of_latents(training, model) | {"samples": pictures.grid(drawn)}
    for name, picture in (shown | pictures.sizes(training, model)).items():
        image.write(place / f"{name}.png", picture)
        print(place / f"{name}.png")


if __name__ == "__main__":
    main()
