"""Time training: python -m experiments.benchmark_training configs/benchmark_training.toml [key=value ...]

- vae: the convolutional autoencoder of models/vae.py by dfm.train, and its twins in PyTorch, from the same
  weights and uint8 images in memory to stepped parameters, in turns on the same threads;
- generator: value and gradient of a batch of Fourier networks, by dfm.fourier and by the direct formula;
- devices: the autoencoder over simulated devices. These share the cores of one machine: on few cores this
  shows what the split costs, not what it gains.

Ratios are of medians. `cpu_ms` is a step's time of all processors together, which other work on the machine
disturbs less. Rows go to experiments/results/training_speed.jsonl.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, UInt8

from dfm import config as configs
from dfm import fourier, network, parallel, train
from dfm.batch import Batch
from experiments import rows
from models import vae

RESULTS = rows.RESULTS / "training_speed.jsonl"
Advance = Callable[[int], object]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Say what is timed.

    Attributes:
        parts: some of "vae", "generator" and "devices"; "alone" prints the images a second of a process.
        twins: some of "gather" (an index into one tensor), "loader" (a DataLoader) and "compiled" ("gather"
            with torch.compile); with none, PyTorch need not be installed.
        threads: cores of this process; 0 for all.
        steps: of a round.
        rounds: of which medians are taken.
        images: of a batch of the generator.
    """

    parts: tuple[str, ...]
    twins: tuple[str, ...] = ()
    threads: int = 0
    convolutions: tuple[int, ...] = (32, 64)
    dense: tuple[int, ...] = (256,)
    latent: int = 16
    side: int = 28
    examples: int = 60000
    batch: int = 128
    steps: int = 50
    rounds: int = 7
    widths: tuple[int, ...] = (4, 6)
    depth: int = 3
    images: int = 64
    devices: tuple[int, ...] = (1, 2, 4, 8)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each part."""
    config = configs.command_line(Config, __doc__, arguments)
    if config.threads:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: config.threads])
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # else PyTorch is 4 times as slow on a shared machine
    if "alone" in config.parts:
        print(config.batch / timed({"dfm": _ours(config)}, config)["dfm"][0])
    if "vae" in config.parts:
        _write({"part": "vae", "threads": config.threads, "batch": config.batch} | against_twins(config))
    for width in config.widths if "generator" in config.parts else ():
        _write({"part": "generator", "width": width, "images": config.images} | generator(config, width))
    for devices in config.devices if "devices" in config.parts else ():
        speed = _in_process(list(sys.argv[1:] if arguments is None else arguments), devices)
        _write({"part": "devices", "devices": devices, "cores": os.cpu_count(), "images_per_s": round(speed)})


def against_twins(config: Config) -> rows.Row:
    """Give the speed of ours and of each twin, and how many times as fast as it ours is."""
    runs, row = {"dfm": _ours(config)}, rows.Row()
    if config.twins:
        try:
            from experiments import torch_vae
        except ModuleNotFoundError as error:
            raise SystemExit(f"{error}: install torch==2.13.0, or set twins=[]") from None
        row["torch"] = torch_vae.limit(len(os.sched_getaffinity(0)))
        for name in config.twins:
            twin = torch_vae.Twin(_model(config), config.side)
            _compare(config, twin)
            runs[name] = torch_vae.trainer(twin, name, _images(config), config.batch, config.latent)
    spent = timed(runs, config)
    for name, (wall, cpu) in spent.items():
        row |= {f"{name}_images_per_s": round(config.batch / wall), f"{name}_cpu_ms": round(1e3 * cpu, 2)}
    for name in config.twins:
        for figure, theirs, ours in zip(("speed", "cpu"), spent[name], spent["dfm"], strict=True):
            row[f"{figure}_over_{name}"] = round(theirs / ours, 2)
    return row


def generator(config: Config, width: int) -> rows.Row:
    """Give the milliseconds of value and gradient of both ways, and their ratio."""
    x = jax.random.uniform(jax.random.key(1), (config.side**2, 2))
    keys = jax.random.split(jax.random.key(0), config.images)
    networks = jax.vmap(lambda key: network.init(key, width, config.depth, 1))(keys)

    def differentiated(apply: Callable[[network.Network, Array], Array]) -> Advance:
        def value(networks: network.Network) -> Array:
            return jnp.sum(jax.vmap(apply, in_axes=(0, None))(networks, x) ** 2)

        call: Callable[..., Any] = jax.jit(jax.value_and_grad(value))
        return lambda steps: [call(networks)[0].block_until_ready() for _ in range(steps)]

    runs = {"fourier": differentiated(network.apply), "direct": differentiated(_direct)}
    spent = {name: wall for name, (wall, _) in timed(runs, config).items()}
    ratio = {"direct_over_fourier": round(spent["direct"] / spent["fourier"], 2)}
    return {f"{name}_ms": round(1e3 * wall, 2) for name, wall in spent.items()} | ratio


def timed(runs: dict[str, Advance], config: Config) -> dict[str, tuple[float, float]]:
    """Let all take turns, and give medians over the rounds: seconds a step, on the wall and of CPUs."""
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for turn in range(config.rounds + 1):  # the first compiles
        for name, advance in runs.items():
            wall, cpu = time.perf_counter(), time.process_time()
            advance(config.steps)
            if turn:
                spent[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    medians = {name: map(statistics.median, zip(*times, strict=True)) for name, times in spent.items()}
    return {name: (wall / config.steps, cpu / config.steps) for name, (wall, cpu) in medians.items()}


def _direct(stored: network.Network, x: Float[Array, "p 2"]) -> Float[Array, "p c"]:
    for w in (stored.first, *stored.hidden, stored.last):
        phase = 2 * jnp.pi * x @ jnp.asarray(fourier.frequencies(x.shape[1]).T, x.dtype)
        waves = jnp.concatenate([jnp.cos(phase), jnp.sin(phase[:, 1:])], axis=1)
        y = waves @ (fourier.scale(x.shape[1]) * w)
        x = y + x if y.shape == x.shape else y
    return jnp.tanh(x)


def _images(config: Config) -> UInt8[np.ndarray, "n h w 1"]:
    shape = config.examples, config.side, config.side, 1
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def _model(config: Config) -> vae.Model:
    sizes = vae.Config(latent=config.latent, convolutions=config.convolutions, dense=config.dense)
    return vae.Model(sizes, (config.examples, config.side, config.side, 1), rngs=nnx.Rngs(0))


def _loss(model: vae.Model, batch: Batch, key: Array) -> tuple[Array, train.Metrics]:
    return vae.loss(model, batch._replace(images=batch.images / 255.0), key)


def _ours(config: Config) -> Advance:
    settings = train.Config(steps=config.steps * (config.rounds + 1), batch=config.batch)
    task, state = train.start(_model(config), _loss, settings, parallel.mesh())
    places = jnp.arange(config.examples)
    data = parallel.replicate(Batch(jnp.asarray(_images(config)), 0 * places, places), task.mesh)

    def advance(steps: int) -> None:
        nonlocal state
        state, metrics = train.advance(task, state, data, steps)
        metrics["loss"].block_until_ready()

    return advance


def _compare(config: Config, twin: Any) -> None:
    """See that both compute the same loss from the same weights, images and noise."""
    images, key, few = _images(config)[: config.batch], jax.random.key(1), jnp.zeros(1, int)
    noise = jax.random.normal(key, (config.batch, config.latent))
    ours = float(_loss(_model(config), Batch(jnp.asarray(images), few, few), key)[0])
    theirs = twin.loss(images, np.asarray(noise))
    if abs(ours - theirs) > 1e-5 * abs(ours):
        raise AssertionError(f"the loss is {ours} here and {theirs} in PyTorch, from the same weights")


def _in_process(arguments: list[str], devices: int) -> float:
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices)}
    command = [sys.executable, "-m", "experiments.benchmark_training", *arguments, 'parts=["alone"]']
    result = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return float(result.stdout.split()[-1])


def _write(row: rows.Row) -> None:
    print(row, flush=True)
    rows.append(RESULTS, row | rows.facts())


if __name__ == "__main__":
    main()
