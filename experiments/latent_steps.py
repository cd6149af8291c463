"""Tell what the steps of a fit buy: python -m experiments.latent_steps CONFIG [key=value]

For each photo, a file of the latent codec after each number of steps, at one lambda: bytes and PSNR against
seconds, those apart in which XLA compiles, once for each size. Rows go to a JSON-lines file one by one; those
that are there are not measured again.
"""

import contextlib
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jax import monitoring

import dfm
from dfm import config as configs
from dfm import container, metrics, rate
from dfm.codecs import latent
from experiments import baselines, command, kodak, markdown, rate_tables, rows

_COMPILED = "/jax/core/compile/backend_compile_duration"
CLASSIC = {"jpeg": "JPEG", "webp": "WebP", "avif": "AVIF"}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose photos, lambda, and steps (see `latent.Config`)."""

    images: tuple[str, ...]
    steps: tuple[int, ...]
    lambda_: float
    results: str = str(rows.RESULTS / "latent_steps.jsonl")


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing, and print the table."""
    config = configs.command_line(Config, __doc__, arguments)
    keys = [
        {"image": image, "lambda_": config.lambda_, "steps": steps}
        for image in config.images
        for steps in config.steps
    ]
    print(table(rows.complete(config.results, keys, measure)))


def measure(key: rows.Row) -> rows.Row:
    """Fit for so many steps, and measure the file.

    Raises:
        OSError: there is no such photo.
        ValueError: it is no image, or lambda is out of range.
    """
    image = kodak.read(key["image"])
    image = image.reshape(*image.shape[:2], -1)
    height, width, channels = image.shape
    target = rate.target(height * width, lambda_=key["lambda_"])
    with _compiling() as compiled:
        start = time.perf_counter()
        payload = latent.encode(
            image, latent.Config(steps=key["steps"]), target, seed=0, progress=lambda done, word: None
        )
        header = container.Header(codec="late", width=width, height=height, channels=channels)
        data = container.pack(header, payload)
        seconds = time.perf_counter() - start
    psnr = metrics.psnr(image, dfm.decode(data).reshape(image.shape))
    return {
        "bytes": len(data),
        "psnr_db": round(float(psnr), 4),
        "seconds": round(seconds - sum(compiled), 2),
        "compile_seconds": round(sum(compiled), 2),
    }


@contextlib.contextmanager
def _compiling() -> Iterator[list[float]]:
    """Collect the seconds of each program that XLA compiles."""
    seconds: list[float] = []

    def heard(event: str, duration_secs: float, **_: str | int) -> None:
        if event == _COMPILED:
            seconds.append(duration_secs)

    monitoring.register_event_duration_secs_listener(heard)
    try:
        yield seconds
    finally:
        monitoring.unregister_event_duration_listener(heard)


def table(measured: Sequence[rows.Row]) -> str:
    """Average over photos what each number of steps gives, and its bytes against others' at equal PSNR."""
    classic = rows.read(baselines.RESULTS)
    lines = []
    for steps in sorted({row["steps"] for row in measured}):
        group = [row for row in measured if row["steps"] == steps]
        means = [statistics.fmean(row[key] for row in group) for key in ("seconds", "bytes", "psnr_db")]
        figures = [format(mean, form) for mean, form in zip(means, (",.0f", ",.0f", ".2f"), strict=True)]
        more = [rate_tables.excess(group, rate_tables.of(classic, "codec", codec)) for codec in CLASSIC]
        lines.append([f"{steps:,}", *figures, *(markdown.number(value, "+.1f") for value in more)])
    header = ["steps", "seconds", "bytes", "PSNR dB", *(f"against {label}, %" for label in CLASSIC.values())]
    return markdown.table(header, lines)


if __name__ == "__main__":
    main()
