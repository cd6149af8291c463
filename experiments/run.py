"""A training and its folder: configuration, model, data, and what they come to."""

import dataclasses
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, PRNGKeyArray

import models
from dfm import checkpoint, image, parallel, registry, train
from dfm import config as configs
from dfm.batch import Batch
from experiments import datasets

_CONFIG = "config.json"
_CHECKPOINTS = "checkpoints"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Say what is trained, on what, and how.

    Attributes:
        model: a file of models/.
        data: a set of `experiments.datasets`, or a folder of images.
        settings: of the model, the keys of its `Config`.
        log_every: steps between two rows of metrics; they are made in one call.
        save_every: steps between two checkpoints, with pictures; a multiple of `log_every`.
    """

    model: str
    data: str
    train: train.Config
    settings: dict[str, Any] = field(default_factory=dict)
    log_every: int = 50
    save_every: int = 1000


class Run(NamedTuple):
    """Hold what a training needs, and where it keeps what it makes."""

    folder: Path
    config: Config
    module: ModuleType
    data: datasets.Dataset
    task: train.Task
    state: train.State

    @property
    def checkpoints(self) -> Path:
        """Give the folder of the checkpoints."""
        return self.folder / _CHECKPOINTS

    def model(self, state: train.State | None = None) -> Any:
        """Give the model of a state, by default this one's."""
        return train.trained(self.task, self.state if state is None else state)


def prepare(config: Config, folder: str | os.PathLike[str]) -> Run:
    """Load data, make the model, and lay it on all devices, at its start.

    Raises:
        OSError: data are absent.
        ValueError: the configuration is wrong.
    """
    if config.save_every % config.log_every:
        raise ValueError(
            f"save_every is {config.save_every}; choose a multiple of log_every, {config.log_every}"
        )
    module = registry.get(models, config.model)
    settings = configs.make(module.Config, config.settings, "settings")
    data = datasets.load(config.data)
    model = module.Model(settings, data.train.images.shape, rngs=nnx.Rngs(config.train.seed))
    task, state = train.start(model, _Loss(module.loss), config.train, parallel.mesh())
    return Run(Path(folder), config, module, data, task, state)


def open(folder: str | os.PathLike[str]) -> Run:
    """Read a training back at its last checkpoint.

    Raises:
        OSError: the folder holds none, or data are absent.
        ValueError: its configuration is damaged.
    """
    path = Path(folder) / _CONFIG
    if not path.exists():
        raise FileNotFoundError(f"{path} is absent; make {folder} with python -m experiments.train CONFIG")
    config = configs.make(Config, json.loads(path.read_text()), str(path))
    run = prepare(config, folder)
    with checkpoint.Checkpoints(run.checkpoints) as kept:
        return run._replace(state=kept.restore(run.state))


def record(config: Config, folder: str | os.PathLike[str], fresh: bool) -> None:
    """Write the configuration into the folder, or see that it made what is there, unless that is `fresh`.

    Raises:
        ValueError: the folder was made with another.
    """
    path, own = Path(folder) / _CONFIG, json.loads(json.dumps(dataclasses.asdict(config)))
    if path.exists() and not fresh:
        for key, value in _flat(json.loads(path.read_text())).items():
            if _flat(own).get(key) != value:
                raise ValueError(
                    f"{folder} was made with {key} = {value!r}, and this is {_flat(own).get(key)!r}; "
                    "choose another folder with --run, or remove it"
                )
    path.parent.mkdir(parents=True, exist_ok=True)
    image.write_bytes(path, json.dumps(own, indent=2).encode())


def arrays(split: datasets.Split) -> Batch:
    """Give the examples of a split as a training takes them: images of uint8."""
    indices = np.arange(len(split.labels), dtype=np.int32)
    return Batch(*map(jnp.asarray, (split.images, split.labels.astype(np.int32), indices)))


def apply(model: Any, function: Callable[..., Array], *given: np.ndarray, batch: int = 500) -> np.ndarray:
    """Evaluate `function(model, *given)` batch by batch along the first axes, compiled once."""
    graph, state = nnx.split(model)
    compiled = jax.jit(lambda state, *part: function(nnx.merge(graph, state), *part))
    count = len(given[0])
    batch = min(batch, count)
    found = []
    for at in range(0, count, batch):
        part = [values[np.minimum(np.arange(at, at + batch), count - 1)] for values in given]
        found.append(np.asarray(compiled(state, *part)))
    return np.concatenate(found)[:count]


def draw(run: Run, model: Any, n: int, seed: int = 0) -> np.ndarray:
    """Draw images in [0, 1] from the model alone.

    Raises:
        ValueError: it is no model to sample from.
    """
    if not hasattr(run.module, "sample"):
        raise ValueError(f"{run.config.model} draws no images of itself; choose a prior for its latents")
    keys = np.asarray(jax.random.key_data(jax.random.split(jax.random.key(seed), n)))

    def one(model: Any, keys: Array) -> Array:
        def drawn(key: Array) -> Array:
            image: Array = run.module.sample(model, jax.random.wrap_key_data(key), 1)[0]
            return image

        return jax.vmap(drawn)(keys)

    return apply(model, one, keys, batch=100)


class _Loss:
    """Give the loss of a model images in [0, 1]; equal ones compile once."""

    def __init__(self, loss: train.Loss) -> None:
        self._loss = loss

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Loss) and self._loss is other._loss

    def __hash__(self) -> int:
        return hash(self._loss)

    def __call__(self, model: Any, batch: Batch, key: PRNGKeyArray) -> tuple[Array, train.Metrics]:
        """Measure the model on a batch of images of uint8."""
        return self._loss(model, batch._replace(images=jnp.asarray(batch.images, jnp.float32) / 255), key)


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found
