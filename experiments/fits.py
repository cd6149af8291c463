"""Train models of models/ at once, for scripts that train many."""

from typing import Any

from flax import nnx

import models
from dfm import config as configs
from dfm import registry, train
from experiments import datasets, run


def fit(name: str, settings: dict[str, Any], split: datasets.Split, config: train.Config) -> Any:
    """Train a model on one device and without a folder, and give it.

    Args:
        settings: the keys of its `Config`.

    Raises:
        ValueError: there is no such model, or its settings are wrong.
        FloatingPointError: the training diverges.
    """
    module = registry.get(models, name)
    made = configs.make(module.Config, settings, "settings")
    model = module.Model(made, split.images.shape, rngs=nnx.Rngs(config.seed))
    return train.fit(model, run.Loss(module.loss), run.arrays(split), config)
