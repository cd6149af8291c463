"""Train a model: python -m experiments.train CONFIG [--run DIR] [key=value ...]

DIR, by default runs/ and the name of CONFIG, gets the configuration, checkpoints, metrics as JSON lines and
for TensorBoard, and pictures. The same command goes on where DIR ends, to the same bits as without a break.
"""

import argparse
import contextlib
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from dfm import checkpoint, console, image, parallel, train
from dfm import config as configs
from dfm.api import Progress
from experiments import command, draws, logs, pictures, run
from experiments.run import Config

_SAMPLES = 100


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Train, or go on."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="a TOML file of configs/ with a model")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="replaces a key: train.steps=100")
    parser.add_argument("--run", metavar="DIR", help="the folder of the training")
    parser.add_argument(
        "--host",
        metavar="ADDRESS:PORT,PROCESSES,INDEX",
        help="of process 0, how many there are, and which this is, from 0; a scheduler tells it too",
    )
    given = parser.parse_intermixed_args(arguments)
    try:
        config = configs.load(Config, given.config, given.overrides)
        parallel.initialize(*(_host(given.host) if given.host else ()))
    except (OSError, ValueError) as error:
        parser.error(console.failure(error))
    folder = Path(given.run or Path("runs") / Path(given.config).stem)
    try:
        with console.progress() as progress:
            fit(config, folder, progress if parallel.first_process() else None)
    except KeyboardInterrupt:
        sys.exit(f"train: interrupted; the same command goes on from the last checkpoint in {folder}")


def _host(text: str) -> tuple[str, int, int]:
    found = re.fullmatch(r"(.+:\d+),(\d+),(\d+)", text, re.ASCII)
    if not found:
        raise ValueError(f"--host is {text!r}; give ADDRESS:PORT,PROCESSES,INDEX, as 10.0.0.1:1234,2,0")
    return found[1], int(found[2]), int(found[3])


def fit(config: Config, folder: Path, progress: Progress | None = None) -> run.Run:
    """Train until the end of the configuration, from the last checkpoint of `folder` if it holds one.

    Raises:
        OSError: data are absent, or the folder cannot be written.
        ValueError: the configuration is wrong, or another than that of the folder.
        FloatingPointError: the loss is not finite; the last checkpoint stays.
    """
    training, writes = run.prepare(config, folder), parallel.first_process()
    data = parallel.replicate(run.arrays(training.data.train), training.task.mesh)
    with checkpoint.Checkpoints(training.checkpoints) as kept:
        fresh = kept.latest() is None
        if writes:
            run.record(config, folder, fresh)
        state = training.state if fresh else kept.restore(training.state)
        step, last = int(state.step), config.train.steps
        with logs.Log(folder, step) if writes else contextlib.nullcontext() as log:
            while step < last:
                start, count = time.perf_counter(), min(config.log_every, last - step)
                state, metrics = train.advance(training.task, state, data, count)
                train.check(metrics, step)
                step += count
                means = {name: float(values.mean()) for name, values in metrics.items()}
                means["images_per_second"] = config.train.batch * count / (time.perf_counter() - start)
                if log:
                    log.write(step, means)
                if progress:
                    progress(step / last, ", ".join(f"{name} {value:.4g}" for name, value in means.items()))
                if step % config.save_every == 0 or step == last:
                    if writes:
                        show(training._replace(state=state), step)
                    kept.save(step, state)
    return training._replace(state=state)


def show(training: run.Run, step: int) -> None:
    """Write pictures of what the model makes."""
    place = training.folder / "pictures"
    place.mkdir(exist_ok=True)
    model = training.model()
    shown = pictures.of_latents(training, model)
    if hasattr(training.module, "sample"):
        shown["samples"] = pictures.grid(draws.of_model(training, model, _SAMPLES))
    for name, picture in shown.items():
        image.write(place / f"{name}_{step:07}.png", picture)


if __name__ == "__main__":
    main()
