"""Train a model by gradient steps: the one loop for every model.

    loss(model, batch, key) -> (scalar, metrics)

Data lie on the devices as they are, uint8 as a rule; a batch is gathered inside of the compiled code, which
makes many steps a call. What a step sees depends on the seed and its number alone, so that a training goes on
from a checkpoint to the same bits.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import Mesh
from jaxtyping import Array, Int, PRNGKeyArray, UInt32

from dfm import optimizers, parallel

Metrics = dict[str, Array]
Parameters = nnx.State[Any, Any]
Loss = Callable[[Any, Any, PRNGKeyArray], tuple[Array, Metrics]]
Notify = Callable[[float, str], None]

_CALL = 50  # steps of `fit` between two calls of `notify`


@dataclass(frozen=True, kw_only=True)
class Config:
    """Say how long and how fast to train.

    Attributes:
        steps: of the optimizer, AdamW.
        batch: examples of a step, over all devices.
        learning_rate: after `warmup` steps; it falls along a cosine to a hundredth.
        b1: decay of Adam's mean of gradients.
        latent_rate: of parameters named `latents`, a row for each example; 0 for none apart.
        weight_decay: of matrices and kernels.
        clip: largest norm of the gradient of all parameters; 0 for any.
        average: decay, a step, of a moving average of the parameters, for evaluation; 0 for themselves.
        seed: of parameters, the order of examples, and all noise.
    """

    steps: int
    batch: int = 128
    learning_rate: float = 1e-3
    b1: float = 0.9
    latent_rate: float = 0.0
    warmup: int = 100
    weight_decay: float = 0.0
    clip: float = 0.0
    average: float = 0.0
    seed: int = 0


class State(NamedTuple):
    """Hold all that changes, and all that a checkpoint needs."""

    step: Int[Array, ""]
    key: UInt32[Array, "2"]
    params: Parameters
    rest: Parameters  # batch statistics, codebooks
    moments: optax.OptState
    average: Parameters | None


class Task(NamedTuple):
    """Hold what does not change: it is part of the compiled code."""

    graph: nnx.GraphDef[Any]
    loss: Loss
    config: Config
    mesh: Mesh


def start(model: nnx.Module, loss: Loss, config: Config, mesh: Mesh | None = None) -> tuple[Task, State]:
    """Prepare to train a model on a mesh, by default of one device.

    Raises:
        ValueError: the batch does not split over the devices.
    """
    mesh = parallel.mesh(jax.local_devices()[:1]) if mesh is None else mesh
    if config.batch % mesh.size:
        raise ValueError(
            f"a batch of {config.batch} does not split over {mesh.size} devices; choose a multiple"
        )
    graph, params, rest = _split(model)
    state = State(
        jnp.asarray(0, jnp.int32),
        jax.random.key_data(jax.random.key(config.seed)),
        params,
        rest,
        optimizers.adam(config).init(params),
        params if config.average else None,
    )
    own = jax.tree.map(jnp.copy, state)  # `advance` takes the arrays of a state: none may be another's
    return Task(graph, loss, config, mesh), parallel.replicate(own, mesh)


@functools.partial(jax.jit, static_argnames=("task", "steps"), donate_argnames="state")
def advance(task: Task, state: State, data: Any, steps: int) -> tuple[State, Metrics]:
    """Make `steps` steps.

    Args:
        data: arrays whose first axes are the examples, as `parallel.replicate` lays them.

    Returns:
        The state, and metrics [steps], among them `loss`.
    """
    order = _order(state, len(jax.tree.leaves(data)[0]), task.config.batch, steps)
    order = jax.lax.with_sharding_constraint(order, parallel.split(task.mesh, 1))

    def one(state: State, chosen: Int[Array, " batch"]) -> tuple[State, Metrics]:
        return _step(task, state, jax.tree.map(lambda values: values[chosen], data))

    end, metrics = jax.lax.scan(one, state, order)
    laid: tuple[State, Metrics] = jax.lax.with_sharding_constraint((end, metrics), parallel.whole(task.mesh))
    return laid


def trained(task: Task, state: State) -> Any:
    """Give the model on one device, with averaged parameters if there are such, and arrays of its own."""
    params = state.params if state.average is None else state.average
    own = jax.tree.map(lambda values: jnp.copy(values.addressable_data(0)), (params, state.rest))
    return nnx.merge(task.graph, *own)


def check(metrics: Metrics, first: int) -> None:
    """See that the losses of steps from `first` on are finite.

    Raises:
        FloatingPointError: one is not.
    """
    wrong = ~jnp.isfinite(metrics["loss"])
    if wrong.any():
        at = int(jnp.argmax(wrong))
        parts = ", ".join(f"{name} {float(values[at]):g}" for name, values in metrics.items())
        raise FloatingPointError(
            f"the loss is not finite at step {first + at} ({parts}); lower learning_rate"
        )


def fit(model: nnx.Module, loss: Loss, data: Any, config: Config, *, notify: Notify | None = None) -> Any:
    """Train a small model at once, on one device, and give it.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    task, state = start(model, loss, config)
    data = parallel.replicate(data, task.mesh)
    for done in range(0, config.steps, _CALL):
        state, metrics = advance(task, state, data, min(_CALL, config.steps - done))
        check(metrics, done)
        if notify:
            notify(min(1.0, (done + _CALL) / config.steps), f"loss {float(metrics['loss'][-1]):.4g}")
    return trained(task, state)


def _step(task: Task, state: State, batch: Any) -> tuple[State, Metrics]:
    key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)

    def objective(params: Parameters) -> tuple[Array, tuple[Metrics, Parameters]]:
        model = nnx.merge(task.graph, params, state.rest, copy=True)  # of variables, which the loss may write
        value, metrics = task.loss(model, batch, key)
        return value, ({"loss": value, **metrics}, _split(model)[2])

    gradient, (metrics, rest) = jax.grad(objective, has_aux=True)(state.params)
    changes, moments = optimizers.adam(task.config).update(gradient, state.moments, state.params)
    params = optax.apply_updates(state.params, changes)
    average = state.average
    if average is not None:
        decay = jnp.minimum(task.config.average, (1 + state.step) / (10 + state.step))
        average = optax.incremental_update(params, average, 1 - decay)
    return State(state.step + 1, state.key, params, rest, moments, average), metrics


def _split(model: Any) -> tuple[nnx.GraphDef[Any], Parameters, Parameters]:
    """Part a model into its structure, what is trained, and the rest."""
    parts: tuple[Any, Any, Any] = nnx.split(model, nnx.Param, ...)  # type: ignore[assignment]
    return parts


def _order(state: State, examples: int, batch: int, steps: int) -> Int[Array, "steps batch"]:
    """Choose the examples of the next steps: an epoch takes each once, but for a rest that fills no batch."""
    if examples < batch:
        raise ValueError(f"there are {examples} examples for a batch of {batch}; choose a smaller one")
    of_epoch = examples // batch
    epoch, at = state.step // of_epoch, state.step % of_epoch
    key = jax.random.wrap_key_data(state.key)

    def epochs_order(epoch: Array) -> Array:
        return jax.random.permutation(jax.random.fold_in(key, -1 - epoch), examples)[: of_epoch * batch]

    touched = (steps - 1) // of_epoch + 2
    rows = jax.vmap(epochs_order)(epoch + jnp.arange(touched)).reshape(-1, batch)
    return jax.lax.dynamic_slice_in_dim(rows, at, steps)
