"""A training and its folder: configuration, model, data, and what they come to."""

import dataclasses
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, PRNGKeyArray

import models
from dfm import checkpoint, image, parallel, registry, train
from dfm import config as configs
from dfm.batch import Batch
from experiments import datasets, latents

_CONFIG = "config.json"
_CHECKPOINTS = "checkpoints"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Say what is trained, on what, and how.

    Attributes:
        model: a file of models/.
        data: a set of `experiments.datasets`, or a folder of images.
        latents_of: in place of `data`, the folder of a training: the model learns the latents that its model
            gives the images it was trained on, and what is drawn is decoded by that.
        settings: of the model, the keys of its `Config`.
        log_every: steps between two rows of metrics; they are made in one call.
        save_every: steps between two checkpoints, with pictures; a multiple of `log_every`.
    """

    model: str
    train: train.Config
    data: str = ""
    latents_of: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    log_every: int = 50
    save_every: int = 1000


class Run(NamedTuple):
    """Hold what a training needs, and where it keeps what it makes.

    Attributes:
        data: what the model learns: images of uint8, or latents of `first`, divided by `unit`.
        first: the training whose latents these are.
    """

    folder: Path
    config: Config
    module: ModuleType
    data: datasets.Dataset
    task: train.Task
    state: train.State
    first: "Run | None" = None
    unit: float = 1.0

    @property
    def checkpoints(self) -> Path:
        """Give the folder of the checkpoints."""
        return self.folder / _CHECKPOINTS

    @property
    def images(self) -> datasets.Dataset:
        """Give the images behind the data."""
        return self.first.images if self.first else self.data

    @property
    def data_name(self) -> str:
        """Give the name of the set of images."""
        return self.first.data_name if self.first else self.config.data

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
    if bool(config.data) == bool(config.latents_of):
        raise ValueError("give either data or latents_of")
    module = registry.get(models, config.model)
    settings = configs.make(module.Config, config.settings, "settings")
    first, unit = None, 1.0
    if config.latents_of:
        if hasattr(module.Model, "encode"):
            raise ValueError(
                f"{config.model} encodes images, not latents; learn these by a model without encoder"
            )
        first = open(config.latents_of)
        data, unit = _latents(first)
    else:
        data = datasets.load(config.data)
    model = module.Model(settings, data.train.images.shape, rngs=nnx.Rngs(config.train.seed))
    task, state = train.start(model, Loss(module.loss), config.train, parallel.mesh())
    return Run(Path(folder), config, module, data, task, state, first, unit)


def open(folder: str | os.PathLike[str]) -> Run:
    """Read a training back at its last checkpoint.

    Raises:
        OSError: the folder holds none, or data are absent.
        ValueError: its configuration is damaged.
    """
    path = Path(folder) / _CONFIG
    if not path.exists():
        raise FileNotFoundError(f"{path} is absent; make {folder} with python -m experiments.train CONFIG")
    run = prepare(_read(path), folder)
    with checkpoint.Checkpoints(run.checkpoints) as kept:
        return run._replace(state=kept.restore(run.state))


def record(config: Config, folder: str | os.PathLike[str], fresh: bool) -> None:
    """Write the configuration into the folder, or see that it made what is there, unless that is `fresh`.

    Raises:
        ValueError: the folder was made with another.
    """
    path = Path(folder) / _CONFIG
    if path.exists() and not fresh:
        old, new = (_resolved(one) for one in (_read(path), config))
        for key in old | new:
            if old.get(key) != new.get(key):
                raise ValueError(
                    f"{folder} was made with {key} = {old.get(key)!r}, and this is {new.get(key)!r}; "
                    "choose another folder with --run, or remove it"
                )
    path.parent.mkdir(parents=True, exist_ok=True)
    image.write_bytes(path, json.dumps(dataclasses.asdict(config), indent=2).encode())


def arrays(split: datasets.Split) -> Batch:
    """Give the examples of a split as a training takes them."""
    indices = np.arange(len(split.labels), dtype=np.int32)
    return Batch(*map(jnp.asarray, (split.images, split.labels.astype(np.int32), indices)))


class Loss:
    """Give the loss of a model images in [0, 1]; equal ones compile once."""

    def __init__(self, loss: train.Loss) -> None:
        self._loss = loss

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Loss) and self._loss is other._loss

    def __hash__(self) -> int:
        return hash(self._loss)

    def __call__(self, model: Any, batch: Batch, key: PRNGKeyArray) -> tuple[Array, train.Metrics]:
        """Measure the model on a batch of images of uint8, or of latents."""
        images = batch.images
        if images.dtype == jnp.uint8:
            images = jnp.asarray(images, jnp.float32) / 255
        return self._loss(model, batch._replace(images=images), key)


def _latents(first: Run) -> tuple[datasets.Dataset, float]:
    """Give the latents of a training's images, at a deviation of 1 unless they are integers, and their unit.

    Raises:
        ValueError: its model encodes nothing.
    """
    model = first.model()
    if not hasattr(model, "encode"):
        raise ValueError(f"{first.folder} is a {first.config.model}, which encodes nothing; choose another")
    splits = [latents.encode(model, split.images) for split in first.data]
    unit = 1.0 if np.issubdtype(splits[0].dtype, np.integer) else float(splits[0].std())
    scaled = [x if unit == 1 else x / np.float32(unit) for x in splits]
    return datasets.Dataset(*(d._replace(images=x) for d, x in zip(first.data, scaled, strict=True))), unit


def _read(path: Path) -> Config:
    return configs.make(Config, json.loads(path.read_text()), str(path))


def _resolved(config: Config) -> dict[str, Any]:
    """Give all keys, those that a model's settings leave at their defaults as well."""
    settings = configs.make(registry.get(models, config.model).Config, config.settings, "settings")
    return configs.flat(dataclasses.asdict(config) | {"settings": dataclasses.asdict(settings)})
